import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import { IncomingFile } from "./incoming-file.ts";
import { openSpool } from "./spool.ts";

const test = suite("spool");
let folder = "";
let made = 0;
test.before.each(async () => {
  folder = await temporaryFolder();
  made = 0;
});
const open = () =>
  openSpool({ newFile: () => new IncomingFile(join(folder, String(made++))), memoryBytes: 1000, messageBytes: 400 });
const files = () => readdir(folder);

async function* pieces(...sizes: number[]): AsyncGenerator<Buffer> {
  for (const [index, size] of sizes.entries()) yield Buffer.alloc(size, index + 97);
}
const expected = (...sizes: number[]) => Buffer.concat(sizes.map((size, index) => Buffer.alloc(size, index + 97)));

test("a small message stays in memory, a larger one goes into a file, and both are there as they came", async () => {
  const spool = open();
  for (const [sizes, inFile] of [
    [[], 0],
    [[400], 0],
    [[401], 1],
    [[100, 200, 300], 1],
  ] as const) {
    await using message = await spool.keep(pieces(...sizes));
    assert.is((await files()).length, inFile);
    const whole = expected(...sizes);
    assert.is(message.sizeBytes, whole.length);
    for (let time = 0; time < 2; time++)
      assert.ok((await buffer(message.pieces())).equals(whole), "as often as it is read");
  }
  assert.equal(await files(), []);
});

test("together they have so much memory, and what one gives back another has", async () => {
  const spool = open();
  const first = await Promise.all([1, 2, 3].map(() => spool.keep(pieces(300))));
  assert.is((await files()).length, 0);
  const more = await spool.keep(pieces(300));
  assert.is((await files()).length, 1);
  for (const message of first) await message[Symbol.asyncDispose]();
  const later = await spool.keep(pieces(300));
  assert.is((await files()).length, 1);
  for (const message of [more, later]) await message[Symbol.asyncDispose]();
  assert.equal(await files(), []);
});

test("a client that goes leaves nothing, in memory or on disk", async () => {
  const spool = open();
  async function* interrupted(size: number) {
    yield Buffer.alloc(size);
    throw new Error("gone");
  }
  for (const size of [300, 300, 300, 300, 500]) {
    const failure = await spool.keep(interrupted(size)).catch((error: unknown) => String(error));
    assert.is(failure, "Error: gone");
  }
  assert.equal(await files(), []);
  await using message = await spool.keep(pieces(400));
  assert.is(message.sizeBytes, 400);
  assert.equal(await files(), []);
});

test.run();
