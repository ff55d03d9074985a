import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
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
async function copied(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const piece of pieces) copies.push(Buffer.from(piece));
  return Buffer.concat(copies);
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
    for (let time = 0; time < 2; time++) {
      assert.ok((await buffer(message.pieces())).equals(whole), "as often as it is read");
      assert.ok((await copied(message.passing())).equals(whole), "in either way");
    }
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

test("a long one is written in a few goes, and read in one place", async () => {
  const sizes = Array.from({ length: 50 }, () => 10_000);
  let writes = 0;
  class Counting extends IncomingFile {
    override append(given: readonly Buffer[]): Promise<void> {
      writes++;
      return super.append(given);
    }
  }
  const newFile = () => new Counting(join(folder, "file"));
  const spool = openSpool({ newFile, memoryBytes: 1_000_000, messageBytes: 100_000 });
  await using message = await spool.keep(pieces(...sizes));
  assert.ok(writes < 8, `${writes} writes`);
  const places = new Set<ArrayBufferLike>();
  for await (const piece of message.passing()) places.add(piece.buffer);
  assert.is(places.size, 1);
  assert.ok((await copied(message.passing())).equals(expected(...sizes)));
});

test("what is under way to files leaves half of the memory to others", async () => {
  const spool = open();
  const { promise: later, resolve } = Promise.withResolvers<void>();
  let halfway = 0;
  async function* slow(...sizes: number[]) {
    yield* pieces(...sizes);
    halfway++; // and what was to be written is
    await later;
  }
  const slowOnes = Array.from({ length: 5 }, () => spool.keep(slow(300, 200, 190)));
  while (halfway < 5) await pause(1);
  assert.is((await files()).length, 5);
  const small = await spool.keep(pieces(400));
  assert.is((await files()).length, 5);
  resolve();
  for (const message of [small, ...(await Promise.all(slowOnes))]) await message[Symbol.asyncDispose]();
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
