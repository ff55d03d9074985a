import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import { openSigningKey, type SigningKey } from "./signing-key.ts";

const test = suite<{ file: string }>("signing key");

test.before.each(async (context) => {
  context.file = join(await temporaryFolder(), "keys", "jwt.pem");
});

const pem = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();
const publicPem = ({ verify }: SigningKey) => verify.export({ type: "spki", format: "pem" }).toString();

test("a given private key signs with RS256, also when there is a secret, and nothing is written", async ({ file }) => {
  const key = await openSigningKey({ privateKey: pem, secret: "a secret of some length", file });
  assert.is(key.algorithm, "RS256");
  assert.is(publicPem(key), createPublicKey(pem).export({ type: "spki", format: "pem" }));
  assert.equal(await readdir(dirname(dirname(file))), []);
});

test("only a secret signs with HS256", async ({ file }) => {
  const key = await openSigningKey({ privateKey: undefined, secret: "a secret of some length", file });
  assert.is(key.algorithm, "HS256");
  for (const half of [key.sign, key.verify]) {
    assert.is(half.type, "secret");
    assert.is(half.export().toString(), "a secret of some length");
  }
});

const own = (file: string) => openSigningKey({ privateKey: undefined, secret: undefined, file });

test("with neither, a key is made once, kept for its owner alone, and used from then on", async ({ file }) => {
  const first = await own(file);
  assert.is(first.algorithm, "RS256");
  assert.is((await stat(file)).mode & 0o777, 0o600);
  assert.is((await stat(dirname(file))).mode & 0o777, 0o700);
  assert.equal(await readdir(dirname(file)), ["jwt.pem"]);
  assert.is(publicPem(await own(file)), publicPem(first));
});

test("processes that start at the same moment end up with one key", async ({ file }) => {
  const keys = await Promise.all(Array.from({ length: 4 }, () => own(file)));
  assert.is(new Set(keys.map(publicPem)).size, 1);
  assert.is(publicPem(await own(file)), publicPem(keys[0] ?? (await own(file))));
  assert.equal(await readdir(dirname(file)), ["jwt.pem"]);
});

test("a broken key file is an error, not a reason to make another key", async ({ file }) => {
  await mkdir(dirname(file));
  await writeFile(file, "not a key");
  assert.instance(await own(file).catch((error: unknown) => error), Error);
});

test("a folder that cannot be written is told as that", async ({ file }) => {
  await writeFile(dirname(file), "a file where the folder should be");
  const failure = await own(file).catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.match(String(failure), /EEXIST|ENOTDIR/);
});

test.run();
