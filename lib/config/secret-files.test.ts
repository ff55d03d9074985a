import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import { readConfig, type Config } from "../config.ts";
import { secretNames } from "./secret-files.ts";

const test = suite("secrets in files");
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const goodKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

function read(env: Record<string, string> = {}): Config {
  const config = readConfig(env);
  if (Array.isArray(config)) throw new Error(JSON.stringify(config));
  return config;
}

/** The faults as an operator reads them: `VARIABLE what is wrong`. */
function faults(env: Record<string, string>): string[] {
  const config = readConfig(env);
  return Array.isArray(config) ? config.map(({ variable, message }) => `${variable} ${message}`) : [];
}

test("any secret comes by itself or in a file, with or without an end of line; by itself it wins", async () => {
  const folder = await temporaryFolder();
  const given: Record<string, string> = {
    DATABASE_URL: "postgres://u:p@db/mail",
    RABBITMQ_URL: "amqp://u:p@mq",
    KEYDB_URL: "cache:6379",
    KEYDB_PASSWORD: "p@ss",
    SENDGRID_API_KEY: "SG.key",
    MICROSOFT_CLIENT_SECRET: "s",
    SMTP_PASSWORD: "relayed",
    ENCRYPTION_KEY: Buffer.alloc(32, 1).toString("base64"),
    JWT_PRIVATE_KEY: goodKey.trim(),
    JWT_SECRET: "0123456789abcdef",
  };
  for (const name of Object.keys(given)) assert.ok(secretNames.includes(name), name);
  const plain = { MICROSOFT_TENANT_ID: "t", MICROSOFT_CLIENT_ID: "c", SMTP_HOST: "relay.example", SMTP_USER: "u" };
  const files: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    files[`${name}_FILE`] = join(folder, name);
    await writeFile(join(folder, name), `${value}\n`);
  }
  assert.equal(read({ ...plain, ...files }), read({ ...plain, ...given }));
  assert.is(read({ ...plain, ...files, SENDGRID_API_KEY: "SG.other" }).sendgrid?.apiKey, "SG.other");

  await writeFile(join(folder, "SENDGRID_API_KEY"), "\n");
  assert.is(read({ ...plain, ...files }).sendgrid, undefined, "an empty file is a secret that is not set");
});

test("what is wrong with a secret in a file is told by the name of its variable, without the secret", async () => {
  const file = join(await temporaryFolder(), "secret");
  await writeFile(file, "hunter2");
  assert.equal(faults({ DATABASE_URL_FILE: file, JWT_SECRET_FILE: file, ENCRYPTION_KEY_FILE: "" }), [
    "DATABASE_URL_FILE must be an address that starts with postgres:// or postgresql://",
    "JWT_SECRET_FILE must have at least 16 characters",
  ]);
});

test("a file that cannot be read is told beside what else is wrong, and not as a secret that is missing", async () => {
  const folder = await temporaryFolder();
  const env = { APP_ENV: "production", JWT_PRIVATE_KEY_FILE: "/nowhere", SMTP_PASSWORD_FILE: folder, API_PORT: "x" };
  assert.equal(faults(env), [
    "SMTP_PASSWORD_FILE names a file that cannot be read",
    "JWT_PRIVATE_KEY_FILE names a file that cannot be read",
    "API_PORT must be a whole number from 0 to 65535",
  ]);
});

test("what is no secret comes by itself only", () => {
  assert.equal(read({ API_PORT_FILE: "/nowhere" }), read());
});

test.run();
