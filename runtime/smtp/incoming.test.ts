import { PassThrough } from "node:stream";
import type { SMTPServerDataStream } from "smtp-server";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../problem.ts";
import { incomingMessage } from "./incoming.ts";

/** A message on its way, as smtp-server hands it over. */
function begin(): SMTPServerDataStream {
  return Object.assign(new PassThrough(), { byteLength: 0, sizeExceeded: false });
}

/** What comes of it, until it ends. */
function read(stream: SMTPServerDataStream, bytes = 2 ** 20) {
  const pieces: Buffer[] = [];
  let isComplete = false;
  const ended = () => void (isComplete = true);
  const over = (async () => {
    for await (const piece of incomingMessage(stream, { bytes, ended })) pieces.push(piece);
    assert.ok(isComplete);
    return Buffer.concat(pieces).toString();
  })();
  return { pieces, over };
}

/** As it comes: each piece when there is room for it. */
async function send(stream: SMTPServerDataStream, pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    if (!stream.write(piece)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
}

const dots = (count: number) => Array.from({ length: count }, () => ".\r\n");

test("40,000 lines that begin with a dot, each a piece by itself, come in a few", async () => {
  const stream = begin();
  const { pieces, over } = read(stream);
  await send(stream, dots(40_000));
  assert.is(await over, ".\r\n".repeat(40_000));
  assert.ok(pieces.length < 10, `${pieces.length} pieces`);
});

test("so many more that nobody wrote them are refused", async () => {
  const stream = begin();
  const { over } = read(stream);
  void send(stream, dots(60_000));
  const failure = await over.catch((error: unknown) => error);
  assert.instance(failure, Problem);
  assert.match(String(failure), "too many lines that begin with a dot");
});

test("with text between them, they are taken", async () => {
  const stream = begin();
  const { over } = read(stream, 2 ** 24);
  const text = `${"0123456789".repeat(7)}\r\n.\r\n`;
  await send(
    stream,
    Array.from({ length: 60_000 }, () => text),
  );
  assert.is(await over, text.repeat(60_000));
});

test("a little is taken when all of it is there, and more as it comes", async () => {
  const little = begin();
  const { pieces, over } = read(little);
  for (const line of ["Subject: x\r\n", "\r\n", "text\r\n"]) {
    little.write(line);
    await turn();
    assert.is(pieces.length, 0);
  }
  little.write("x".repeat(20_000));
  await turn();
  assert.is(pieces.length, 1);
  little.end("\r\n");
  assert.is((await over).length, 20_000 + 22);
  assert.is(pieces.length, 2);
});

test("a message of nothing ends", async () => {
  const stream = begin();
  stream.end();
  assert.is(await read(stream).over, "");
});

test("a message over its limit is refused before it ends, and one whose client goes does not end", async () => {
  const tooLarge = begin();
  const refused = read(tooLarge, 20_000).over.catch((error: unknown) => String(error));
  tooLarge.write("x".repeat(30_000));
  assert.match(await refused, "larger than 20000 bytes");
  for (const go of [
    (stream: SMTPServerDataStream) => stream.destroy(),
    (stream: SMTPServerDataStream) => stream.destroy(new Error("gone")),
  ]) {
    const stream = begin();
    const failed = read(stream).over.catch((error: unknown) => String(error));
    stream.write("Subject: x\r\n");
    setImmediate(go, stream);
    assert.match(await failed, /gone|before its final dot/);
  }
});

test.run();
