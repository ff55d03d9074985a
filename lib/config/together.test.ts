import { generateKeyPairSync } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConfig } from "../config.ts";
import { properties } from "./variables.ts";

const test = suite("faults of a configuration");

const rsa = (bits: number) =>
  generateKeyPairSync("rsa", { modulusLength: bits }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();

/** The faults as an operator reads them: `VARIABLE what is wrong`. */
function faults(env: Record<string, string>): string[] {
  const config = readConfig(env);
  return Array.isArray(config) ? config.map(({ variable, message }) => `${variable} ${message}`) : [];
}

const wrong: [env: Record<string, string>, fault: RegExp][] = [
  [{ API_PORT: "http" }, /^API_PORT must be a whole number from 0 to 65535$/],
  [{ GRAPH_SAVE_TO_SENT_ITEMS: "maybe" }, /^GRAPH_SAVE_TO_SENT_ITEMS must be true or false$/],
  [{ ENCRYPTION_KEY: "c2hvcnQ=" }, /^ENCRYPTION_KEY must be 32 bytes in base64/],
  [
    { MICROSOFT_TENANT_ID: "t", MICROSOFT_CLIENT_SECRET: "s" },
    /^MICROSOFT_CLIENT_ID is required with the other MICROSOFT_/,
  ],
  [{ MICROSOFT_AUTHORITY: "http://login.example" }, /^MICROSOFT_AUTHORITY must be an address that starts with https/],
  [{ SMTP_AUTH: "oauth2", SMTP_USER: "u" }, /^SMTP_AUTH oauth2 needs MICROSOFT_TENANT_ID/],
  [{ SMTP_PASSWORD: "p" }, /^SMTP_USER is required/],
  [{ SMTP_FROM: "nobody" }, /^SMTP_FROM must be an e-mail address/],
  [{ WORKER_MIN_CONCURRENCY: "20" }, /^WORKER_MIN_CONCURRENCY must not be more than WORKER_CONCURRENCY/],
  [{ API_PORT: "65536" }, /^API_PORT must be a whole number/],
  [{ API_PORT: "-1" }, /^API_PORT must be a whole number/],
  [{ API_PORT: "80.5" }, /^API_PORT must be a whole number/],
  [{ API_PORT: "1e3" }, /^API_PORT must be a whole number/],
  [{ WORKER_CONCURRENCY: "0" }, /^WORKER_CONCURRENCY must be a whole number from 1 up$/],
  [{ MAX_RETRY_COUNT: "11" }, /^MAX_RETRY_COUNT must be a whole number from 0 to 10/],
  [{ APP_ENV: "prod" }, /^APP_ENV must be one of development, production, test$/],
  [{ UNKNOWN_OUTCOME: "drop" }, /^UNKNOWN_OUTCOME must be one of retry, hold/],
  [{ DATABASE_URL: "mysql://db/x" }, /^DATABASE_URL must be an address that starts with postgres:\/\//],
  [{ DATABASE_URL: "db:5432" }, /^DATABASE_URL must be an address/],
  [{ RABBITMQ_URL: "http://mq" }, /^RABBITMQ_URL must be an address that starts with amqp:\/\//],
  [{ PUBLIC_URL: "mail.example.com" }, /^PUBLIC_URL must be an address/],
  [{ SENDGRID_BASE_URL: "ftp://x" }, /^SENDGRID_BASE_URL must be an address/],
  [
    { SMTP_TLS_CERT_FILE: "/x", SMTP_TLS_KEY_FILE: "-----BEGIN PRIVATE KEY-----" },
    /^SMTP_TLS_KEY_FILE must be the name/,
  ],
  [{ PMS_API_URL: "pms.example/api" }, /^PMS_API_URL must be an address/],
  [{ KEYDB_URL: "cache:port" }, /^KEYDB_URL must be host:port or redis:\/\/…$/],
  [{ KEYDB_URL: "https://cache:6379" }, /^KEYDB_URL must be host:port or redis:\/\/…$/],
  [{ ORG_EMAIL_DOMAIN: "corp.example, what ever" }, /^ORG_EMAIL_DOMAIN must be domain names, .*: entry 2 is none$/],
  [{ ORG_EMAIL_DOMAIN: "localhost" }, /^ORG_EMAIL_DOMAIN must be domain names, .*: entry 1 is none$/],
  [{ JWT_SECRET: "short" }, /^JWT_SECRET must have at least 16 characters$/],
  [{ JWT_PRIVATE_KEY: "no key" }, /^JWT_PRIVATE_KEY is not a private key in PEM$/],
  [{ JWT_PRIVATE_KEY: rsa(1024) }, /^JWT_PRIVATE_KEY must be an RSA key of at least 2048 bits$/],
  [{ JWT_PRIVATE_KEY_FILE: "/nowhere/key.pem" }, /^JWT_PRIVATE_KEY_FILE names a file that cannot be read$/],
  [{ APP_ENV: "production" }, /^JWT_PRIVATE_KEY is required in production/],
  [{ RETRY_QUEUE_NAME: "mail-queue" }, /^MAIL_QUEUE_NAME and the other queue names must differ$/],
];
for (const [env, fault] of wrong) {
  test(`refused: ${JSON.stringify(env).slice(0, 60)}`, () => {
    const found = faults(env);
    assert.is(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", fault);
  });
}

test("all faults are told together, each by the name of its variable", () => {
  assert.equal(
    faults({ API_PORT: "x", LOG_LEVEL: "loud", WORKER_PREFETCH: "none" }).map((fault) => fault.split(" ")[0]),
    ["API_PORT", "LOG_LEVEL", "WORKER_PREFETCH"],
  );
  assert.equal(
    faults({ DATABASE_URL: "x", KEYDB_URL: ":", JWT_SECRET: "x" }).map((fault) => fault.split(" ")[0]),
    ["DATABASE_URL", "KEYDB_URL", "JWT_SECRET"],
  );
});

test("no fault shows a value: it may be a secret in the wrong variable", () => {
  const secret = "hunter2";
  for (const variable of Object.keys(properties)) {
    for (const value of [secret, `https://u:${secret}@ `, `-----BEGIN PRIVATE KEY-----\n${secret}`, `1, ${secret}`]) {
      assert.not.match(faults({ [variable]: value }).join("\n"), secret);
    }
  }
  for (const variable of ["DATABASE_URL", "RABBITMQ_URL", "KEYDB_URL", "JWT_SECRET", "JWT_PRIVATE_KEY"]) {
    const found = faults({ [variable]: `nope://u:${secret} @`.slice(0, 15) });
    assert.is(found.length, 1, variable);
    assert.not.match(found[0] ?? "", secret);
  }
});

test.run();
