import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { leaves, parseMime } from "../../ops/e2e/stand-ins/mime.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import { stagedBytes } from "../resources/staged-content.ts";
import { sandbox } from "./sandbox.ts";

const test = suite<{ context: TestContext }>("sandbox");

test.before(async (state) => {
  state.context = await openContext();
});
test.after(({ context }) => context.close());

const mail = (given: Partial<OutgoingMail>): OutgoingMail => ({
  id: "mail-1",
  attempt: 1,
  source: "api",
  clientId: "client_sales",
  from: "sales@acme.example",
  to: ["ann@example.com"],
  cc: [],
  bcc: [],
  names: {},
  subject: `${confidential} offer`,
  text: "42 each",
  html: undefined,
  createdAt: new Date("2026-01-20T10:00:00Z"),
  attachments: [],
  ...given,
});

async function kept({ ctx }: TestContext, given: Partial<OutgoingMail>): Promise<string> {
  const one = mail(given);
  assert.equal(await sandbox.send(one, ctx), { kind: "response", status: 202 });
  return await readFile(join(ctx.inbox.folder, `${one.id}.${one.attempt}.eml`), "utf8");
}

test("a mail is kept with its sender, recipients, subject and text", async ({ context }) => {
  const names = { "sales@acme.example": "Sales, Acme", "ann@example.com": 'Ann "A" Lee' };
  const eml = await kept(context, {
    id: "plain",
    names,
    cc: ["cc@example.com"],
    bcc: ["b1@x.example", "b2@x.example"],
  });
  for (const line of [
    'From: "Sales, Acme" <sales@acme.example>',
    'To: "Ann \\"A\\" Lee" <ann@example.com>',
    "Cc: cc@example.com",
    "X-Sandbox-Bcc: b1@x.example, b2@x.example",
    `Subject: ${confidential} offer`,
    "Message-ID: <plain@sandbox>",
    "Date: Tue, 20 Jan 2026 10:00:00 +0000",
    "42 each",
  ]) {
    assert.ok(eml.split("\n").includes(line), `${line}\n\n${eml}`);
  }
  assert.not.match(eml, /^Bcc:/im);
});

test("text, html and files are parts of one message", async ({ context }) => {
  const content = Buffer.from([0, 255, 13, 10, 1]);
  await context.ctx.attachments.keep("2026/01/20/m", [{ name: "a.pdf", content: stagedBytes(content) }]);
  const file = { filename: "報價.pdf", contentType: "application/pdf", sizeBytes: 5, path: "2026/01/20/m/a.pdf" };
  const eml = await kept(context, { id: "parts", html: "<b>42</b>", attachments: [file] });
  assert.match(eml, "Content-Type: text/plain");
  assert.match(eml, "Content-Type: text/html");
  assert.match(eml, "Content-Type: application/pdf");
  assert.match(eml, content.toString("base64"));
});

test("each attempt is kept by itself", async ({ context }) => {
  await kept(context, { id: "twice", attempt: 1 });
  await kept(context, { id: "twice", attempt: 2 });
  const files = (await readdir(context.ctx.inbox.folder)).filter((name) => name.startsWith("twice"));
  assert.equal(files.toSorted(), ["twice.1.eml", "twice.2.eml"]);
});

test("html that names a local file or an address is kept as it is: nothing is fetched", async ({ context }) => {
  const html = '<img src="file:///etc/hostname"><img src="http://127.0.0.1:1/x.png">';
  const eml = await kept(context, { id: "image", html });
  assert.match(eml.replaceAll("=\n", "").replaceAll("=3D", "="), html);
});

test("ten large mails at once are kept byte for byte, and take little memory", async ({ context }) => {
  const content = Buffer.alloc(8 * 2 ** 20, "0123456789");
  await context.ctx.attachments.keep("2026/01/20/l", [{ name: "a", content: stagedBytes(content) }]);
  const file = { filename: "a", contentType: undefined, sizeBytes: content.length, path: "2026/01/20/l/a" };
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 5);
  const ids = Array.from({ length: 10 }, (_, index) => `large-${index}`);
  await Promise.all(ids.map((id) => sandbox.send(mail({ id, attachments: [file] }), context.ctx)));
  clearInterval(watch);
  const grown = (peak - before) / 2 ** 20;
  assert.ok(grown < 100, `${grown.toFixed(0)} MB more`);
  const kept = await readFile(join(context.ctx.inbox.folder, "large-9.1.eml"));
  const [, arrived] = leaves(parseMime(Buffer.from(kept.toString("latin1").replaceAll("\n", "\r\n"), "latin1")));
  assert.ok(arrived?.content.equals(content));
});

test("a file that is gone throws, and nothing is kept", async ({ context }) => {
  const gone = { filename: "a", contentType: undefined, sizeBytes: 1, path: "2026/01/20/none/a" };
  const failure = await sandbox.send(mail({ id: "gone", attachments: [gone] }), context.ctx).catch((e: unknown) => e);
  assert.instance(failure, Error);
  assert.not((await readdir(context.ctx.inbox.folder)).some((name) => name.startsWith("gone")));
});

test.run();
