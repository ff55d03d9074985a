import { randomBytes } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import { openSecrets, SecretFault, type Secrets } from "./secrets.ts";

const test = suite<{ file: string }>("secrets");

test.before.each(async (state) => {
  state.file = join(await temporaryFolder(), "keys", "encryption.key");
});

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const place = "email_sender_configs:1";

/** What opening it says, or the secret. */
function outcome(secrets: Secrets, sealed: string, where = place): string {
  try {
    return secrets.open(sealed, where);
  } catch (error) {
    if (!(error instanceof SecretFault)) throw error;
    return error.message;
  }
}

test("what is sealed opens again, whatever it is, and shows nothing of itself", async ({ file }) => {
  const secrets = await openSecrets({ keys: [newKey], file });
  for (const plain of ["s3cret", "", "密碼 🔑", "x".repeat(10_000)]) {
    const sealed = secrets.seal(plain, place);
    assert.is(secrets.open(sealed, place), plain);
    assert.match(sealed, /^v1\.[\da-f]{8}\.[\w-]+$/);
    if (plain !== "") assert.not(Buffer.from(sealed.split(".")[2] ?? "", "base64url").includes(plain));
  }
});

test("the same secret is sealed differently each time", async ({ file }) => {
  const secrets = await openSecrets({ keys: [newKey], file });
  const sealed = Array.from({ length: 100 }, () => secrets.seal("s3cret", place));
  assert.is(new Set(sealed).size, 100);
  const ivs = sealed.map((text) => Buffer.from(text.split(".")[2] ?? "", "base64url").toString("hex", 0, 12));
  assert.is(new Set(ivs).size, 100, "each has an initialisation vector of its own");
});

test("it opens in its own place only", async ({ file }) => {
  const secrets = await openSecrets({ keys: [newKey], file });
  assert.match(outcome(secrets, secrets.seal("s3cret", place), "email_sender_configs:2"), "another place");
});

test("whatever is changed of it, it does not open, and what is said does not tell it", async ({ file }) => {
  const secrets = await openSecrets({ keys: [newKey, oldKey], file });
  const other = (await openSecrets({ keys: [oldKey], file })).keyId;
  const sealed = secrets.seal("s3cret", place);
  const [version = "", keyId = "", body = ""] = sealed.split(".");
  const bytes = Buffer.from(body, "base64url");
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    const said = outcome(secrets, `${version}.${keyId}.${changed.toString("base64url")}`);
    assert.is(said, "it was changed, or sealed for another place", `byte ${at}`);
  }
  const cut = bytes.subarray(0, -1).toString("base64url");
  const broken = [
    `${version}.${keyId}.${cut}`,
    `${version}.${other}.${body}`,
    `v2.${keyId}.${body}`,
    "s3cret",
    "",
    sealed + ".",
  ];
  for (const text of broken) assert.match(outcome(secrets, text), /it was changed|it is not a sealed secret/, text);
});

test("with a new key first, the old one still opens, and what it sealed is told from the new", async ({ file }) => {
  const before = await openSecrets({ keys: [oldKey], file });
  const sealed = before.seal("s3cret", place);
  const both = await openSecrets({ keys: [newKey, oldKey], file });
  assert.is(both.open(sealed, place), "s3cret");
  assert.equal([both.isCurrent(sealed), both.isCurrent(both.seal("s3cret", place))], [false, true]);

  const after = await openSecrets({ keys: [newKey], file });
  assert.is(outcome(after, sealed), `it was sealed with the key ${before.keyId}, which is not in ENCRYPTION_KEY`);
});

test("without a key one is made once, kept for its owner alone, and used from then on", async ({ file }) => {
  const [first, second] = await Promise.all([openSecrets({ keys: [], file }), openSecrets({ keys: [], file })]);
  assert.is(second.open(first.seal("s3cret", place), place), "s3cret", "those that start together share it");
  assert.is((await stat(file)).mode & 0o777, 0o600);
  const next = await openSecrets({ keys: [], file });
  assert.is(next.keyId, first.keyId);
});

test("a key of our own opens what it sealed after others were configured, and can be configured itself", async (state) => {
  const { file } = state;
  const own = await openSecrets({ keys: [], file });
  const sealed = own.seal("s3cret", place);
  const configured = await openSecrets({ keys: [newKey], file });
  assert.is(configured.open(sealed, place), "s3cret");
  assert.not(configured.isCurrent(sealed));

  const written = Buffer.from(await readFile(file, "utf8"), "base64");
  const elsewhere = await openSecrets({ keys: [written], file: `${file}.not-there` });
  assert.is(elsewhere.open(sealed, place), "s3cret");
});

test("a code of a text is its own for each purpose, and is found again after a new key came first", async ({
  file,
}) => {
  const before = await openSecrets({ keys: [oldKey], file });
  const [code] = before.macs("A123456789", "id numbers");
  assert.is(code.length, 32);
  assert.ok(code.equals(before.macs("A123456789", "id numbers")[0]));
  assert.not(code.equals(before.macs("A123456780", "id numbers")[0]));
  assert.not(code.equals(before.macs("A123456789", "links")[0]));

  const both = await openSecrets({ keys: [newKey, oldKey], file });
  const [now, then] = both.macs("A123456789", "id numbers");
  assert.not(now.equals(code));
  assert.ok(then?.equals(code));
});

test("a broken key file is an error, not a reason to make another key", async ({ file }) => {
  await openSecrets({ keys: [], file });
  await writeFile(file, "not a key");
  const failure = await openSecrets({ keys: [], file }).catch((error: unknown) => error);
  assert.match(String(failure), "is not a key");
});

test.run();
