/** More of everything than anybody needs, by SMTP: it has an answer, and costs neither memory nor other clients' time. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { meetings, type Reply } from "../harness/smtp-dialogue.ts";
import { eventually } from "../harness/test.ts";
import { addressesIn, parseMime, type Part } from "./stand-ins/mime.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("endless SMTP clients");
/** Of everything in one process, the database's own apart. */
const mostMb = 450;
const withinMs = 15_000;
const megabyte = 2 ** 20;

let system: System;
const { meet, part } = meetings(() => system.smtp.port);

story.before(async () => void (system = await startSystem({ smtp: true })));
story.after.each(part);
story.after(stopAll);

/** A story with an end, after which an ordinary mail is taken at once. */
function endless(name: string, tell: () => Promise<void>): void {
  story(name, async () => {
    const started = performance.now();
    await tell();
    const took = performance.now() - started;
    assert.ok(took < withinMs, `it took ${took} ms`);
    await ordinaryMail();
  });
}

async function ordinaryMail(): Promise<void> {
  const started = performance.now();
  const client = await meet();
  await client.begin("shop@example.com", "guest@example.org");
  const reply = await client.message("Subject: Your order\r\n\r\nIt is on its way.\r\n");
  const took = performance.now() - started;
  assert.ok(took < 1000, `an ordinary mail took ${took} ms`);
  assert.is((await textOf(reply)).trim(), "It is on its way.");
}

/** The mail that was queued with this reply, as it lies in the inbox. */
async function arrived({ text }: Reply): Promise<Part> {
  const [, id = ""] = /^250 2\.6\.0 Ok: queued as ([\da-f-]{36})\r\n$/.exec(text) ?? [];
  assert.ok(id, text);
  assert.is((await system.settled(id)).status, "sent");
  const [file = "", ...more] = (await system.inbox()).filter((name) => name.startsWith(id));
  assert.is(more.length, 0);
  const raw = await readFile(join(system.dataDir, "inbox", file), "latin1");
  assert.not.match(raw, "\r");
  return parseMime(Buffer.from(raw.replaceAll("\n", "\r\n"), "latin1"));
}

async function textOf(reply: Reply): Promise<string> {
  const { content } = await arrived(reply);
  return content.toString().replaceAll("\r\n", "\n");
}

endless("of 10,000 recipients a thousand are taken, each of the others is told, and the thousand get it", async () => {
  const client = await meet();
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<ann@example.com>");
  const people = Array.from({ length: 10_000 }, (_, n) => `guest${n}@example.org`);
  const replies = await client.pipeline(...people.map((address) => `RCPT TO:<${address}>`));
  assert.ok(replies.slice(0, 1000).every(({ code }) => code === 250));
  assert.ok(replies.slice(1000).every(({ text }) => text.startsWith("452 4.5.3 ")));
  assert.is((await client.say("RCPT TO:<GUEST1@example.org>")).code, 250, "one of the thousand is no new one");
  assert.is((await client.say("DATA")).code, 354);
  const { headers } = await arrived(await client.message("Subject: All\r\n\r\nhello\r\n"));
  const blind = addressesIn(headers.get("x-sandbox-bcc")).map(({ address }) => address.toLowerCase());
  assert.equal(blind, people.slice(0, 1000));
});

for (const [what, command] of [
  ["without an end", "x".repeat(megabyte)],
  ["with an end", `NOOP ${"x".repeat(megabyte)}\r\n`],
] as const) {
  endless(`a command of a megabyte ${what} ends the connection`, async () => {
    const client = await meet();
    client.send(command);
    assert.is((await client.hear()).code, 421);
    await client.ended();
  });
}

const line = "0123456789".repeat(megabyte / 2);
const messages: [what: string, message: string, answer: RegExp | { text: string }][] = [
  ["a header of a megabyte", `Subject: ${"x".repeat(megabyte)}\r\n\r\nx\r\n`, /^554 5\.6\.0 /],
  ["a megabyte of headers", `${"X: x\r\n".repeat(megabyte / 6)}\r\nx\r\n`, /^554 5\.6\.0 /],
  ["a line of 5 MB", `Subject: x\r\n\r\n${line}`, { text: line }],
  ["a megabyte of dots", `Subject: x\r\n\r\n${".\r\n".repeat(megabyte / 4)}`, /^554 5\.6\.0 /],
  ["a text of 40,000 dots", `Subject: x\r\n\r\n${".\r\n".repeat(40_000)}`, { text: ".\n".repeat(40_000) }],
  ["a megabyte of line ends", `Subject: x\r\n\r\n${"\r\n".repeat(megabyte / 2)}end\r\n`, { text: "end" }],
  ["nothing but line ends", "\r\n".repeat(megabyte / 2), { text: "" }],
  ["a megabyte of LF", `Subject: x\n\n${"\n".repeat(megabyte)}end`, { text: "end" }],
  ["a megabyte of CR", `Subject: x\r\n\r\n${"\r".repeat(megabyte)}end`, { text: "end" }],
  ["a megabyte of NUL", `Subject: x\r\n\r\n${"\0".repeat(megabyte)}end`, { text: "end" }],
  ["nothing but NUL", "\0".repeat(megabyte), { text: "" }],
];
for (const [what, message, answer] of messages) {
  endless(`${what} is ${answer instanceof RegExp ? "refused" : "taken as it is"}`, async () => {
    const client = await meet();
    await client.begin();
    const reply = await client.message(message);
    if (answer instanceof RegExp) assert.match(reply.text, answer);
    else assert.ok((await textOf(reply)).trim() === answer.text.trim(), "it is another text now");
    assert.is((await client.say("NOOP")).text, "250 2.0.0 OK\r\n");
  });
}

endless("24 MB of lines of two hyphens, which may all be boundaries, hold up nobody who comes meanwhile", async () => {
  const client = await meet();
  await client.begin();
  const parts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
  let isOver = false;
  const answer = client.message(`${parts}${"--\r\n".repeat(6 * megabyte)}--b--\r\n`).finally(() => (isOver = true));
  while (!isOver) await ordinaryMail();
  assert.is((await answer).code, 250);
});

endless("a message without an end is cut off at twice what one may have", async () => {
  const client = await meet();
  await client.begin();
  let sent = 0;
  const pieces = function* () {
    for (; sent < 200; sent++) yield Buffer.alloc(megabyte, "x");
  };
  Readable.from(pieces()).pipe(client.socket);
  await client.ended();
  assert.ok(sent > 49 && sent < 100, `${sent} MB were taken`);
});

endless("a client that says NOOP 100,000 times and listens late holds up nobody, and gets every answer", async () => {
  const deaf = await meet();
  deaf.socket.pause();
  deaf.send("NOOP\r\n".repeat(100_000));
  for (let mail = 0; mail < 10; mail++) await ordinaryMail();
  deaf.socket.resume();
  for (let count = 0; count < 100_000; count++) assert.is((await deaf.hear()).code, 250);
});

endless("one that says it millions of times and does not listen at all is not listened to either", async () => {
  const deaf = await meet();
  deaf.socket.pause();
  const most = 300;
  let sent = 0;
  const pieces = function* () {
    for (; sent < most; sent++) yield "NOOP\r\n".repeat(10_000);
  };
  Readable.from(pieces()).pipe(deaf.socket);
  let seen = { sent, at: performance.now() };
  const standsStill = () => {
    if (sent > seen.sent) seen = { sent, at: performance.now() };
    return sent === most || performance.now() - seen.at > 2000;
  };
  await eventually(standsStill, { what: "no more of it is read", within: 12_000 });
  assert.ok(sent < most, "all of it was read, and its answers have to be kept somewhere");
});

endless("and one that says as much of all kinds, and listens, gets its answers in order", async () => {
  const client = await meet();
  const round = ["EHLO x", "MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.org>", "VRFY bob", "RSET", "NOOP"];
  const replies = await client.pipeline(...Array.from({ length: 1000 }, () => round).flat());
  const codes = [250, 250, 250, 252, 250, 250];
  assert.ok(replies.every(({ code }, index) => code === codes[index % codes.length]));
});

story("all of this took the memory that it may", async () => {
  const status = await readFile(`/proc/${system.pid}/status`, "utf8").catch(() => "VmHWM: 0 kB");
  const mb = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  assert.ok(mb < mostMb, `${mb.toFixed(0)} MB`);
});

story.run();
