import { once } from "node:events";
import { text } from "node:stream/consumers";
import * as fc from "fast-check";
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Parser } from "./parser.ts";

const test = suite("the parser of what a client sends");

interface Heard {
  mails: string[];
  commands: string[];
  bytes: number[];
}

/** What a parser makes of pieces: the mail that follows each DATA, and the other commands. */
async function hear(parser: SMTPStream, pieces: readonly Buffer[]): Promise<Heard> {
  const heard: Heard = { mails: [], commands: [], bytes: [] };
  const reading: Promise<void>[] = [];
  parser.oncommand = (command, callback) => {
    heard.commands.push(command.toString("latin1"));
    if (command.toString() !== "DATA") return callback?.();
    const stream = parser.startDataMode();
    const read = async () => {
      heard.mails.push(await text(stream.setEncoding("latin1")));
      heard.bytes.push(stream.byteLength);
      parser.continue();
    };
    reading.push(read());
    // Later, as whoever looks at the envelope first.
    setImmediate(() => callback?.());
  };
  for (const piece of pieces) await new Promise<void>((resolve) => parser.write(piece, () => resolve()));
  parser.end();
  await once(parser, "finish");
  await Promise.all(reading);
  return heard;
}

function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (whole.length + 1)).toSorted((a, b) => a - b), whole.length];
  return cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end));
}

test("dots, line ends and pieces of any kind are what they are to smtp-server", async () => {
  const token = fc.constantFrom(".", "..", "\r\n", "\r\n.", "\r\n..", "\n", "\n.", "\r", "a", ".\r\n", "bc", "\r\n.\r");
  const mail = fc.array(token, { maxLength: 30 }).map((tokens) => tokens.join(""));
  const places = fc.array(fc.nat(), { maxLength: 8 });
  const conversation = fc.record({ mails: fc.array(mail, { minLength: 1, maxLength: 3 }), places });
  await fc.assert(
    fc.asyncProperty(conversation, async ({ mails, places: at }) => {
      const whole = Buffer.from(mails.map((one) => `DATA\r\n${one}\r\n.\r\nNOOP\r\n`).join(""), "latin1");
      const pieces = cut(whole, at);
      assert.equal(await hear(new Parser(), pieces), await hear(new SMTPStream(), pieces));
    }),
    { numRuns: 1000 },
  );
});

test("each byte by itself, too", async () => {
  const whole = Buffer.from("DATA\r\n..a\r\n..\r\n...\r\n.b\r\n\r\n.\r\nDATA\r\n.\r\nNOOP\r\n");
  const bytes = Array.from(whole, (byte) => Buffer.from([byte]));
  const heard = await hear(new Parser(), bytes);
  assert.equal(heard, await hear(new SMTPStream(), bytes));
  assert.equal(heard.mails, [".a\r\n.\r\n..\r\n.b\r\n\r\n", ""]);
  assert.equal(heard.commands, ["DATA", "DATA", "NOOP"]);
});

test("a piece with ten thousand doubled dots takes one turn of the event loop", async () => {
  const parser = new Parser();
  const mail = "..\r\n".repeat(10_000);
  const stream = parser.startDataMode();
  const read = text(stream);
  let turns = 0;
  const count = () => {
    turns++;
    if (!stream.readableEnded) setImmediate(count);
  };
  setImmediate(count);
  parser.write(`${mail}.\r\n`);
  assert.is(await read, mail.replaceAll("..", "."));
  assert.ok(turns < 100, `${turns} turns`);
});

test.run();
