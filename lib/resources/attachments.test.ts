import { createHash } from "node:crypto";
import { linkSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import { safeName } from "../mail/draft-attachment.ts";
import { openAttachments, type AttachmentStore } from "./attachments.ts";
import { stagedBytes, type StagedContent, type StagedFile } from "./staged-content.ts";

const test = suite<{ root: string; store: AttachmentStore }>("attachments");
const folder = "2026/01/20/mail-1";
const mebibyte = 2 ** 20;

test.before.each(async (context) => {
  context.root = join(await temporaryFolder(), "made on first use");
  context.store = openAttachments(context.root);
});

const text = (content: string): StagedContent => stagedBytes(Buffer.from(content));

/** A file as a large request brings it: base64, in pieces. */
async function received(store: AttachmentStore, content: Buffer, { max = 25 * mebibyte, piece = 65_536 } = {}) {
  const file = store.receive(max);
  const base64 = Buffer.from(content.toString("base64"));
  for (let at = 0; at < base64.length; at += piece) await file.write(Buffer.from(base64.subarray(at, at + piece)));
  await file.end();
  return file;
}

/** Every file under the root, as one inode each: what is really stored. */
async function stored(root: string): Promise<{ names: string[]; files: number }> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const inodes = await Promise.all(names.map(async (name) => (await stat(name)).ino));
  return { names: names.map((name) => name.slice(root.length + 1)), files: new Set(inodes).size };
}

const visible = (names: readonly string[]) => names.filter((name) => !name.startsWith(".")).toSorted();

test("files are there byte for byte under their names, and nothing else is", async ({ root, store }) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await store.keep(folder, [
    { name: "報價.pdf", content: stagedBytes(bytes) },
    { name: "empty", content: text("") },
  ]);
  assert.equal((await readdir(join(root, folder))).toSorted(), ["empty", "報價.pdf"]);
  assert.ok((await store.read(`${folder}/報價.pdf`)).equals(bytes));
  assert.ok((await readFile(store.resolve(`${folder}/報價.pdf`))).equals(bytes));
  assert.ok(Buffer.concat(await store.stream(`${folder}/報價.pdf`).toArray()).equals(bytes));
  assert.is((await store.read(`${folder}/empty`)).length, 0);
  assert.equal(await readdir(join(root, ".incoming")), []);
});

test("a large file is received piece by piece, and kept", async ({ root, store }) => {
  const bytes = Buffer.alloc(3 * mebibyte, "large file ");
  for (const piece of [65_536, 65_535, 1001]) {
    const file = await received(store, bytes, { piece });
    assert.is(file.sizeBytes, bytes.length);
    assert.is(file.sha256, createHash("sha256").update(bytes).digest("hex"));
    assert.ok(file.isBase64);
    await store.keep(`${folder}/${piece}`, [{ name: "a.bin", content: file }]);
    await file.discard();
    assert.ok((await store.read(`${folder}/${piece}/a.bin`)).equals(bytes));
  }
  assert.is((await stored(root)).files, 1, "three mails, one file");
  assert.equal(await readdir(join(root, ".incoming")), []);
});

test("what no mail keeps leaves nothing behind, at whatever point it ends", async ({ root, store }) => {
  const whole = await received(store, Buffer.alloc(mebibyte));
  const half = store.receive(mebibyte);
  await half.write(Buffer.from("QUJD"));
  await half.write(Buffer.from("QUJD"));
  const untouched = store.receive(mebibyte);
  assert.is((await stored(root)).files, 2);
  for (const file of [whole, half, untouched]) await file.discard();
  assert.equal((await stored(root)).names, []);
});

test("past the limit a file only counts, and so does what is no base64; neither can be kept", async ({
  root,
  store,
}) => {
  const large = await received(store, Buffer.alloc(2 * mebibyte), { max: mebibyte });
  assert.is(large.sizeBytes, 2 * mebibyte);
  const invalid = store.receive(25 * mebibyte);
  for (let piece = 0; piece < 32; piece++) await invalid.write(Buffer.from("*".repeat(65_536)));
  await invalid.end();
  assert.not(invalid.isBase64);
  assert.is(invalid.sizeBytes, 1.5 * mebibyte);
  const sizes = await Promise.all((await stored(root)).names.map(async (name) => (await stat(join(root, name))).size));
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= mebibyte, String(sizes));
  for (const content of [large, invalid]) {
    const failure = await store.keep(folder, [{ name: "a", content }]).catch((error: unknown) => error);
    assert.instance(failure, Error);
  }
});

test("the same content is stored once: in one mail, in many at once, and however it came", async ({ root, store }) => {
  const bytes = Buffer.alloc(100_000, "same");
  const files: StagedFile[] = await Promise.all(Array.from({ length: 10 }, () => received(store, bytes)));
  await Promise.all(
    files.map((content, mail) =>
      store.keep(`2026/01/20/${mail}`, [
        { name: "large.bin", content },
        { name: "small.bin", content: stagedBytes(bytes) },
        { name: "other.bin", content: text("another") },
      ]),
    ),
  );
  const { names, files: count } = await stored(root);
  assert.is(visible(names).length, 30);
  assert.is(count, 2);
  for (const name of visible(names)) {
    const expected = name.endsWith("other.bin") ? Buffer.from("another") : bytes;
    assert.ok((await store.read(name)).equals(expected), name);
  }
});

test("a mail that is taken away takes with it what no other has, and leaves what others have", async ({
  root,
  store,
}) => {
  const shared = { name: "a", content: text("shared") };
  const own = { name: "b", content: text("own") };
  await store.keep("2026/01/20/one", [shared, own]);
  await store.keep("2026/01/20/two", [shared]);
  await store.remove("2026/01/20/one", [shared, own]);
  await store.remove("2026/01/20/one", [shared, own]);
  const { names, files } = await stored(root);
  assert.equal(visible(names), ["2026/01/20/two/a"]);
  assert.equal([names.length, files], [2, 1], "its content is ready for the next mail");
  await store.remove("2026/01/20/two", [shared]);
  assert.equal((await stored(root)).names, []);
});

test("content that is cleaned away while others take it is not missing anywhere", async ({ root, store }) => {
  const file = { name: "a", content: text("come and go") };
  for (let round = 0; round < 30; round++) {
    await Promise.all([
      store.keep(`2026/01/20/stays-${round}`, [file]),
      store.keep(`2026/01/20/goes-${round}`, [file]).then(() => store.remove(`2026/01/20/goes-${round}`, [file])),
    ]);
    assert.is(String(await store.read(`2026/01/20/stays-${round}/a`)), "come and go");
    await store.remove(`2026/01/20/stays-${round}`, [file]);
  }
  assert.equal((await stored(root)).names, []);
});

test("where a file can have one name only, every mail has its own copy", async ({ root, store }) => {
  // Behind a link lies another file system: what is there gets no name here, as it gets no second one anywhere on some.
  const elsewhere = await mkdtemp("/dev/shm/attachments-");
  try {
    await mkdir(root, { recursive: true });
    for (const hidden of [".content", ".incoming"]) {
      const away = join(elsewhere, hidden);
      await mkdir(away);
      await rm(join(root, hidden), { recursive: true, force: true });
      await symlink(away, join(root, hidden));
      const bytes = Buffer.alloc(100_000, hidden);
      const files = await Promise.all(Array.from({ length: 4 }, () => received(store, bytes)));
      const contents = [...files, stagedBytes(bytes)];
      await Promise.all(
        contents.map((content, mail) => store.keep(`${folder}/${hidden}${mail}`, [{ name: "a", content }])),
      );
      for (const mail of contents.keys()) {
        assert.ok((await store.read(`${folder}/${hidden}${mail}/a`)).equals(bytes), `${hidden} ${mail}`);
        assert.equal(await readdir(join(root, `${folder}/${hidden}${mail}`)), ["a"]);
      }
      assert.equal(await readdir(join(root, ".incoming")), []);
    }
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});

test("content that has as many names as a file can have goes on in another file", async ({ root, store }) => {
  const file = { name: "a", content: text("newsletter") };
  await store.keep(`${folder}/first`, [file]);
  const common = join(root, (await stored(root)).names.find((name) => name.startsWith(".content")) ?? "");
  const most = await linkUntilFull(common, join(root, "links"));
  if (most === undefined) return;
  await Promise.all(["next", "last"].map((mail) => store.keep(`${folder}/${mail}`, [file])));
  for (const mail of ["first", "next", "last"])
    assert.is(String(await store.read(`${folder}/${mail}/a`)), "newsletter");
  assert.ok((await stat(store.resolve(`${folder}/last/a`))).nlink < 5);
  await store.keep(`${folder}/later`, [file]);
  assert.is((await stat(store.resolve(`${folder}/later/a`))).ino, (await stat(common)).ino);
});

/** Gives a file names until it can have no more; undefined where there is no such limit within reason (ext4: 65,000). */
async function linkUntilFull(file: string, at: string): Promise<number | undefined> {
  await mkdir(at);
  for (let number = 0; number < 66_000; number++) {
    try {
      linkSync(file, join(at, String(number)));
    } catch {
      return number;
    }
  }
  return undefined;
}

test("a name that looks like one in the making does not mix up two files", async ({ store }) => {
  const names = ["a", "a.part", "a.part.part", "0.part", "1.part", ".0.part"].map(safeName);
  for (let round = 0; round < 20; round++) {
    const at = `${folder}/${round}`;
    await store.keep(
      at,
      names.map((name) => ({ name, content: text(`${name} in round ${round}`) })),
    );
    for (const name of names) assert.is(String(await store.read(`${at}/${name}`)), `${name} in round ${round}`);
  }
});

test("the name of the longest length can be written", async ({ store }) => {
  const name = safeName(`${"王".repeat(200)}.pdf`);
  await store.keep(folder, [{ name, content: text("x") }]);
  assert.is(String(await store.read(`${folder}/${name}`)), "x");
});

test("when one of the files cannot be written, nothing is being written any more once that is told", async ({
  root,
  store,
}) => {
  const large = { name: "large", content: await received(store, Buffer.alloc(8 * mebibyte)) };
  const small = Array.from({ length: 20 }, (_, index) => ({ name: `${index}`, content: text(`${index}`) }));
  const bad = { name: "bad", content: store.receive(mebibyte) };
  const failure = await store.keep(folder, [bad, large, ...small]).catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.equal(await readdir(join(root, ".incoming")), []);
  await store.remove(folder, [large, ...small]);
  assert.equal((await stored(root)).names, []);
});

test("what cannot be written is told, without the file's name", async ({ root, store }) => {
  await mkdir(root);
  await writeFile(join(root, "2026"), "a file where a folder should be");
  const failures = [
    await store.keep(folder, [{ name: "secret.pdf", content: text("x") }]).catch((error: unknown) => error),
    await store.read(`${folder}/secret.pdf`).catch((error: unknown) => error),
    await store
      .stream(`${folder}/secret.pdf`)
      .toArray()
      .catch((error: unknown) => error),
  ];
  for (const failure of failures) {
    assert.instance(failure, Error);
    assert.match(String(failure), "ENOTDIR");
    assert.not.match(String(failure), "secret");
  }
});

test.run();
