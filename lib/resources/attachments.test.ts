import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import { safeName } from "../mail/draft-attachment.ts";
import { openAttachments, type AttachmentStore } from "./attachments.ts";

const test = suite<{ root: string; store: AttachmentStore }>("attachments");
const folder = "2026/01/20/mail-1";

test.before.each(async (context) => {
  context.root = join(await temporaryFolder(), "made on first use");
  context.store = openAttachments(context.root);
});

test("files are there byte for byte under their names, and nothing else is", async ({ root, store }) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await store.write(folder, [
    { name: "報價.pdf", content: bytes },
    { name: "empty", content: Buffer.alloc(0) },
  ]);
  assert.equal((await readdir(join(root, folder))).toSorted(), ["empty", "報價.pdf"]);
  assert.ok((await store.read(`${folder}/報價.pdf`)).equals(bytes));
  assert.ok((await readFile(store.resolve(`${folder}/報價.pdf`))).equals(bytes));
  assert.is((await store.read(`${folder}/empty`)).length, 0);
});

test("a name that looks like one in the making does not mix up two files", async ({ store }) => {
  const names = ["a", "a.part", "a.part.part", "0.part", "1.part", ".0.part"].map(safeName);
  for (let round = 0; round < 20; round++) {
    const at = `${folder}/${round}`;
    await store.write(
      at,
      names.map((name) => ({ name, content: Buffer.from(`${name} in round ${round}`) })),
    );
    for (const name of names) assert.is(String(await store.read(`${at}/${name}`)), `${name} in round ${round}`);
  }
});

test("the name of the longest length can be written", async ({ store }) => {
  const name = safeName(`${"王".repeat(200)}.pdf`);
  await store.write(folder, [{ name, content: Buffer.from("x") }]);
  assert.is(String(await store.read(`${folder}/${name}`)), "x");
});

test("a folder is taken away alone, and twice does no harm", async ({ root, store }) => {
  const files = [{ name: "a", content: Buffer.from("x") }];
  await store.write("2026/01/20/one", files);
  await store.write("2026/01/20/two", files);
  await store.remove("2026/01/20/one");
  await store.remove("2026/01/20/one");
  assert.equal(await readdir(join(root, "2026/01/20")), ["two"]);
});

test("what cannot be written is told, not swallowed", async ({ root, store }) => {
  await mkdir(root);
  await writeFile(join(root, "2026"), "a file where a folder should be");
  const failure = await store
    .write(folder, [{ name: "a", content: Buffer.from("x") }])
    .catch((error: unknown) => error);
  assert.instance(failure, Error);
});

test.run();
