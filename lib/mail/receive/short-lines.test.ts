/** The most of a message that is allowed, in lines as short as lines can be: nobody waits, and the memory stays. */
import { setImmediate as turn } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { receivedDraft } from "./draft.ts";
import { parsed } from "./parse.fixture.ts";

const megabytes = 24;
const sliceBytes = 64 * 1024;
/** Of processor time, which others at work on the same machine do not add to. */
const longestTurnMs = 250;
const mostMb = 200;

const multipart = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
const nested = Array.from({ length: 16 }, (_, level) => `--b${level}\r\n${multipart.replace("=b", `=b${level + 1}`)}`);
const closed = "\r\n--b--\r\n";

const manyHeaders = `${"a:b\r\n".repeat(10_000)}\r\nx\r\n--b\r\n`;

const kinds: [what: string, head: string, line: string | Buffer, end?: string][] = [
  ["line ends", "\r\n", "\r\n", "end"],
  ["letters", "\r\n", "a\r\n"],
  ["letters of Chinese", "\r\n", "你\r\n"],
  ["letters of Big5, which is not said", "\r\n", Buffer.from("a7410d0a", "hex")],
  ["letters of Big5", "Content-Type: text/plain; charset=big5\r\n\r\n", "a\r\n"],
  ["letters of ISO-2022-JP", "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", "a\r\n"],
  ["two hyphens in a part", `${multipart}--b\r\n\r\n`, "--\r\n", closed],
  ["two hyphens before the parts", multipart, "--\r\n", `\r\n--b\r\n\r\nx${closed}`],
  ["two hyphens in a file", `${multipart}--b\r\nContent-Type: a/b\r\n\r\n`, "--\r\n", closed],
  ["two hyphens deep in parts", `${multipart.replace("=b", "=b0")}${nested.join("")}--b16\r\n\r\n`, "--\r\n"],
  ["headers", `${multipart}--b\r\n`, manyHeaders, closed],
  ["what is nearly a boundary", `${multipart}--b\r\n\r\n`, "--b-\r\n", closed],
  ["boundaries that close nothing", multipart, "--b--\r\n", `\r\n--b\r\n\r\nx${closed}`],
  ["quotations that flow", "Content-Type: text/plain; format=flowed\r\n\r\n", "> \r\n"],
  ["spaces that flow", "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\n", "a \r\n"],
  ["quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=41\r\n"],
  ["base64", "Content-Transfer-Encoding: base64\r\n\r\n", "Q\r\n"],
  ["html", "Content-Type: text/html\r\n\r\n", "cid:a\r\n"],
  ["text beside html", `${multipart}--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b\r\n\r\n`, "<a\r\n", closed],
];

for (const [what, head, line, end = ""] of kinds) {
  test(`${megabytes} MB of ${what}`, async () => {
    async function* message() {
      yield Buffer.from(`From: ann@example.com\r\n${head}`);
      const slice = Buffer.alloc(sliceBytes - (sliceBytes % line.length), line);
      for (let left = megabytes * 2 ** 20; left > 0; left -= slice.length) {
        await turn();
        yield slice;
      }
      yield Buffer.from(end);
    }
    const watch = watched();
    const parts = await parsed(message());
    const draft = receivedDraft({ from: "ann@example.com", to: ["bob@example.org"] }, parts, 2 ** 30);
    const { longestMs, mb } = await watch.end();
    if (process.env["SHOW"]) console.log(what, longestMs.toFixed(0), mb.toFixed(0));
    assert.ok(longestMs < longestTurnMs, `others waited ${longestMs.toFixed(0)} ms`);
    assert.ok(mb < mostMb, `it took ${mb.toFixed(0)} MB`);
    assert.is(parts.isIncomplete, false);
    assert.is(draft.from.address, "ann@example.com");
  });
}

/** How long anybody would have waited at most, and how much memory was taken, until it ends. */
function watched() {
  const before = process.memoryUsage.rss();
  let most = before;
  let longestMs = 0;
  let isOver = false;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 2);
  const watching = (async () => {
    for (let last = ownMs(); !isOver; last = ownMs()) {
      await turn();
      longestMs = Math.max(longestMs, ownMs() - last);
    }
  })();
  return {
    async end() {
      await turn();
      isOver = true;
      await watching;
      clearInterval(timer);
      return { longestMs, mb: (most - before) / 2 ** 20 };
    },
  };
}

function ownMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

test.run();
