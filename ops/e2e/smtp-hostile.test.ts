/** What no decent SMTP client says: it is answered, makes no header and no recipient, and mail goes on as ever. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { meetings, type Reply } from "../harness/smtp-dialogue.ts";
import { addressesIn, parseMime, type Part } from "./stand-ins/mime.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("hostile SMTP clients");
const withinMs = 15_000;

let system: System;
const { meet, part } = meetings(() => system.smtp.port);

story.before(async () => void (system = await startSystem({ smtp: true })));
story.after.each(part);
story.after(stopAll);

/** A story with an end, after which an ordinary mail is taken as ever. */
function hostile(name: string, tell: () => Promise<void>): void {
  story(name, async () => {
    const started = performance.now();
    await tell();
    const took = performance.now() - started;
    assert.ok(took < withinMs, `it took ${took} ms`);
    const client = await meet();
    await client.begin("shop@example.com", "guest@example.org");
    const { headers, content } = await arrived(
      await client.message("Subject: Your order\r\n\r\nIt is on its way.\r\n"),
    );
    assert.equal([headers.get("subject"), content.toString().trim()], ["Your order", "It is on its way."]);
  });
}

/** The mail that was queued with this reply, as it lies in the inbox. */
async function arrived({ text }: Reply): Promise<Part> {
  const [, id = ""] = /^250 2\.6\.0 Ok: queued as ([\da-f-]{36})\r\n$/.exec(text) ?? [];
  assert.ok(id, text);
  assert.is((await system.settled(id)).status, "sent");
  const [file, ...more] = (await system.inbox()).filter((name) => name.startsWith(id));
  assert.is(more.length, 0);
  const raw = await readFile(join(system.dataDir, "inbox", file ?? ""), "latin1");
  assert.not.match(raw, "\r");
  return parseMime(Buffer.from(raw.replaceAll("\n", "\r\n"), "latin1"));
}

hostile("commands of other times tell nothing of anybody, and the tenth unknown one is the last", async () => {
  const client = await meet();
  const [one, other] = [await client.say("VRFY guest@example.org"), await client.say("VRFY nobody@example.org")];
  assert.equal([one.code, one.text], [252, other.text]);
  assert.is((await client.say("HELP")).code, 214);
  const unknown = ["EXPN staff", "TURN", "ETRN example.org", "WIZ", "DEBUG", "SHELL", "KILL", "BDAT 10 LAST"];
  for (const line of [...unknown, "XCLIENT ADDR=10.0.0.1 LOGIN=admin"]) {
    assert.is((await client.say(line)).text, "500 5.5.2 Error: command not recognized\r\n", line);
  }
  assert.is((await client.say("NOOP")).code, 250);
  assert.match((await client.say("XFORWARD ADDR=10.0.0.1")).text, /^421 4\.7\.0 /);
  await client.ended();
});

hostile("a web page that posts to the port is sent away before what it posts", async () => {
  const client = await meet();
  client.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<eve@example.net>\r\n");
  assert.match((await client.hear()).text, /^421 4\.7\.0 /);
  await client.ended();
  assert.match(String(await client.hear().catch((error: unknown) => error)), "without a reply");
});

hostile("small letters and blanks that do no harm do none", async () => {
  const client = await meet();
  const said = ["ehlo   client.example ", "mail   from: <ann@example.com>  ", "rcpt  to:<bob@example.org> ", "data"];
  const replies = await client.pipeline(...said);
  assert.equal(
    replies.map(({ code }) => code),
    [250, 250, 250, 354],
  );
  const { headers } = await arrived(await client.message("subject: small\r\n\r\nsmall\r\n"));
  assert.is(headers.get("subject"), "small");
});

hostile("a whole session in one packet is answered step by step", async () => {
  const client = await meet();
  const mail = "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n";
  client.send(`EHLO client.example\r\n${mail}${mail}QUIT\r\nNOOP\r\n`);
  const replies: Reply[] = [];
  while (replies.at(-1)?.code !== 221) replies.push(await client.hear());
  assert.equal(
    replies.map(({ code }) => code),
    [250, 250, 250, 354, 250, 250, 250, 354, 250, 221],
  );
  await client.ended();
  assert.match(String(await client.hear().catch((error: unknown) => error)), "without a reply");
});

hostile("what is not offered is refused, and what is offered is taken", async () => {
  const client = await meet();
  const { lines } = await client.say("EHLO client.example");
  assert.not.match(lines.join("\n"), /CHUNKING|BINARYMIME|XCLIENT|DSN/);
  assert.ok(["8BITMIME", "SMTPUTF8", "PIPELINING"].every((word) => lines.includes(word)));
  assert.match((await client.say("MAIL FROM:<ann@example.com> BODY=BINARYMIME")).text, /^501 5\.5\.4 /);
  for (const parameter of ["RET=FULL", "ENVID=1", "REQUIRETLS", "x=1"]) {
    assert.match((await client.say(`MAIL FROM:<ann@example.com> ${parameter}`)).text, /^555 5\.5\.4 /);
  }
  assert.match((await client.say("MAIL FROM:<ännchen@example.com> SMTPUTF8")).text, /^553 5\.6\.7 /);
  assert.is((await client.say("MAIL FROM:<ann@bücher.example> SMTPUTF8 BODY=8BITMIME AUTH=<>")).code, 250);
  assert.match((await client.say("RCPT TO:<bøb@example.org>")).text, /^553 5\.6\.7 /);
  assert.match((await client.say("RCPT TO:<bob@example.org> NOTIFY=NEVER")).text, /^555 5\.5\.4 /);
  assert.is((await client.say("RCPT TO:<bob@example.org>")).code, 250);
  assert.is((await client.say("DATA")).code, 354);
  const { headers, content } = await arrived(await client.message(Buffer.from("Subject: 8bit\r\n\r\nGrüße\r\n")));
  assert.equal(addressesIn(headers.get("from")), [{ address: "ann@xn--bcher-kva.example" }]);
  assert.is(content.toString().trim(), "Grüße");
});

/** Between the angle brackets of MAIL FROM and RCPT TO. */
const noAddresses = [
  "ann\rbob@example.com",
  "ann\nBcc: eve@example.net",
  "ann@example.com\r\nBcc: eve@example.net\r\n",
  "ann\0@example.com",
  "ann@example.com\0",
  "ann@example.com\u0085",
  '"ann bob"@example.com',
  '"ann\\"bob"@example.com',
  '"ann>"@example.com',
  "ann bob@example.com",
  "ann@example.com,eve@example.net",
  "ann@example.com;eve@example.net",
  "<ann@example.com",
  "<ann@example.com>",
  "ann(comment)@example.com",
  "ann@exam ple.com",
  "ann@example.com@example.net",
  "ann@[127.0.0.1]",
  "ann@localhost",
  "@example.com",
  `${"a".repeat(300)}@example.com`,
  `${"a".repeat(65)}@example.com`,
  `ann@${"a".repeat(300)}.example`,
  `ann@${"a.".repeat(150)}example`,
];
hostile("what is no address, or more than one, is none to send from or to", async () => {
  for (const text of noAddresses) {
    const client = await meet();
    await client.say("EHLO client.example");
    for (const command of ["MAIL FROM", "RCPT TO"]) {
      if (command === "RCPT TO") assert.is((await client.say("MAIL FROM:<ann@example.com>")).code, 250);
      const line = `${command}:<${text}>`;
      // Each of its lines is a command.
      const replies = [await client.say(line)];
      while (replies.length < line.split(/\r?\n/).length) replies.push(await client.hear());
      const codes = replies.map(({ code }) => code);
      assert.ok(
        codes.every((code) => code >= 500 && code < 600),
        `${JSON.stringify(line)}: ${codes.join()}`,
      );
      assert.is((await client.say("DATA")).code, 503, JSON.stringify(line));
      assert.is((await client.say("NOOP")).text, "250 2.0.0 OK\r\n");
    }
    client.close();
  }
});

hostile("an address that other programs would decode is a plain one here, and makes no header", async () => {
  const client = await meet();
  const odd = ["ann%0d%0aBcc=eve@example.com", "bob%0d%0a.%0d%0a@example.org"] as const;
  await client.begin(...odd);
  const { headers } = await arrived(await client.message("Subject: x\r\n\r\nx\r\n"));
  assert.equal([headers.get("from"), headers.get("x-sandbox-bcc")], odd);
});

/** Every way to put a text where a header has one. */
const encoded = (text: string) => [
  `=?utf-8?B?${Buffer.from(text).toString("base64")}?=`,
  `=?utf-8?Q?${[...Buffer.from(text)].map((byte) => `=${byte.toString(16).padStart(2, "0")}`).join("")}?=`,
  `=?utf-16?B?${Buffer.from(text, "utf16le").toString("base64")}?=`,
];
const heads = [
  ...["\r\n", "\n", "\r", "\0\u0085\u2028"]
    .flatMap((end) => encoded(`x${end}Bcc: eve@example.net${end}X-Evil: yes${end}${end}smuggled`))
    .flatMap((word) => [
      `Subject: ${word}\r\nFrom: ${word} <ann@example.com>\r\nTo: ${word} <bob@example.org>\r\n`,
      `Reply-To: ${word} <re@example.com>\r\nIn-Reply-To: ${word}\r\nList-Unsubscribe: ${word}\r\nImportance: ${word}\r\n`,
    ]),
  ...encoded("bob@example.org, eve@example.net").map((word) => `To: ${word}\r\nCc: bob@example.org, ${word}\r\n`),
  ...encoded("eve@example.net").map((word) => `To: ${word} <bob@example.org>\r\nCc: ${word}, <${word}>\r\n`),
  "To: bob@example.org\r\nBcc: eve@example.net\r\nResent-Bcc: eve@example.net\r\nApparently-To: eve@example.net\r\n",
  "To: bob@example.org\rBcc: eve@example.net\r\nSubject: x\rBcc: eve@example.net\r\n",
  "To: bob@example.org\nBcc: eve@example.net\nSubject: x\n\tBcc: eve@example.net\n",
  "To: friends: bob@example.org, eve@example.net;, eve@example.net\r\n",
];
const ours =
  /^(?:from|to|cc|reply-to|subject|message-id|date|mime-version|content-.*|in-reply-to|list-unsubscribe|importance|x-sandbox-bcc)$/;
hostile("whatever the headers of a message decode to, none makes another header or another recipient", async () => {
  const client = await meet();
  for (const head of heads) {
    await client.begin("ann@example.com", "bob@example.org");
    const { headers, content } = await arrived(await client.message(`${head}\r\nhello\r\n`));
    assert.equal(
      [...headers.keys()].filter((name) => !ours.test(name)),
      [],
      head,
    );
    const recipients = ["to", "cc", "x-sandbox-bcc"].flatMap((name) => addressesIn(headers.get(name)));
    assert.equal(
      recipients.map(({ address }) => address),
      ["bob@example.org"],
      head,
    );
    assert.is(content.toString().trim(), "hello", head);
  }
});

story("nothing of all this was a fault of ours, and nobody's address is in the log", async () => {
  assert.not.match((await system.output()).stdout, /"level":"error"|(?:ann|bob|eve|guest|nobody)@/);
});

story.run();
