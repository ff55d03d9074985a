/** A configuration that is wrong is told by its variables, and not by what stands in them. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runFn, type Variables } from "./fn.ts";
import { Garden } from "./nothing-told.fixture.ts";

const story = suite("secrets in a configuration");

const garden = new Garden();

story("a command line whose configuration is wrong, or whose database is away", async () => {
  const away = {
    DATABASE_URL: `postgres://crm:${garden.secret("password of a database that is away")}@127.0.0.1:1/crm`,
  };
  const tries: Variables[] = [
    away,
    { DATABASE_URL: `postgres://crm:${garden.secret("password in a bad address")}@:x/` },
    { ENCRYPTION_KEY: garden.secret("bad ENCRYPTION_KEY") },
    { JWT_PRIVATE_KEY: garden.secret("bad JWT_PRIVATE_KEY") },
    { KEYDB_URL: `redis://:${garden.secret("password of a bad cache")}@:x` },
    {
      API_PORT: garden.secret("secret in the place of a port"),
      SMTP_SECURE: garden.secret("secret in the place of one of a few"),
      SMTP_AUTH_REQUIRED: garden.secret("secret in the place of yes or no"),
      ORG_EMAIL_DOMAIN: garden.secret("secret in the place of domains"),
      TRUSTED_PROXIES: garden.secret("secret in the place of networks"),
      CORS_ORIGINS: garden.secret("secret in the place of origins"),
    },
    { SMTP_TLS_KEY_FILE: `-----BEGIN PRIVATE KEY-----\n${garden.secret("key in the place of its file")}` },
    { RABBITMQ_URL: `amqp://u:${garden.secret("password of a bad broker")}@:x` },
  ];
  for (const more of tries) {
    const { stdout, stderr, code } = await runFn(["token", "list"], { env: { ...away, ...more }, within: 60_000 });
    assert.is.not(code, 0);
    const name = Object.keys(more).join();
    assert.equal(garden.findIn(`fn token list with another ${name}`, stdout + stderr), []);
  }
});

story.run();
