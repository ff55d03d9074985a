/** What is answered to commands that are not quite as they should be. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../../ops/harness/server.ts";
import { dial, type Dialogue } from "../../ops/harness/smtp-dialogue.ts";
import { problems, smtp, type SmtpAccess } from "../index.ts";
import { tryFunction } from "../testing.ts";

const test = suite("commands of SMTP");
let port: number;
let listener: { close(): Promise<void>; metrics(): Promise<string> };
let client: Dialogue;
const access: SmtpAccess<undefined> = {
  name: "who knows the password",
  check({ credentials }) {
    if (credentials && credentials.password !== "right") throw problems.forbidden({ message: "Not with this one" });
    return undefined;
  },
  trusts: () => true,
};

test.before(async () => {
  port = await freePort();
  const fn = smtp({ port, access, plainSignIn: true, sizeLimit: 1000 }).handle(() => ({ text: "taken" }));
  listener = await tryFunction(fn).listen();
});
test.before.each(async () => {
  client = await dial(port);
  await client.hear();
  await client.say("EHLO client.example");
});
test.after.each(() => client.close());
test.after(() => listener.close());

const plain = (password: string) => `AUTH PLAIN ${Buffer.from(`\0ann\0${password}`).toString("base64")}`;

async function answers(lines: readonly string[], expected: RegExp): Promise<void> {
  for (const line of lines) assert.match((await client.say(line)).text, expected, line.slice(0, 80));
}

test("a parameter that EHLO has not offered is told so, and begins nothing", async () => {
  const notOffered = [
    "RET=HDRS",
    "ENVID=1",
    "REQUIRETLS",
    "NOTIFY=NEVER",
    "MT-PRIORITY=3",
    "BY=120;R",
    "x",
    "SIZE=1 x=1",
  ];
  await answers(
    notOffered.map((parameter) => `MAIL FROM:<ann@example.com> ${parameter}`),
    /^555 5\.5\.4 /,
  );
  await answers(["RCPT TO:<bob@example.org>"], /^503 5\.5\.1 /);
  await answers(["MAIL FROM:<ann@example.com>"], /^250 /);
  const ofMail = ["SIZE=10", "BODY=8BITMIME", "SMTPUTF8", "AUTH=<>", "NOTIFY=SUCCESS", "ORCPT=rfc822;bob@example.org"];
  await answers(
    ofMail.map((parameter) => `RCPT TO:<bob@example.org> ${parameter}`),
    /^555 5\.5\.4 /,
  );
  await answers(["DATA"], /^503 5\.5\.1 /);
});

test("what is named back of a parameter is what a reply can carry", async () => {
  const { text } = await client.say(`MAIL FROM:<ann@example.com> ${"病歷x".repeat(1000)}=1`);
  assert.match(text, /^555 5\.5\.4 [ -~]+\r\n$/);
  assert.ok(text.length <= 512);
});

test("one that is offered, or that a server has to take, is taken", async () => {
  for (const parameters of [
    "SIZE=1000",
    "size=10 body=7bit",
    "BODY=8BITMIME SMTPUTF8",
    "AUTH=<>",
    "AUTH=ann+2Bsales@example.com SIZE=10",
  ]) {
    await answers([`MAIL FROM:<ann@example.com> ${parameters}`], /^250 2\.1\.0 /);
    await answers(["RSET"], /^250 /);
  }
  await answers(["MAIL FROM:<ann@example.com> SIZE=1001"], /^552 5\.3\.4 /);
  await answers(["MAIL FROM:<ann@example.com> BODY=BINARYMIME", "MAIL FROM:<ann@example.com> SIZE"], /^501 5\.5\.4 /);
});

test("more blanks than one in MAIL FROM and RCPT TO are overlooked, other words are not", async () => {
  await answers(
    ["MAIL  FORM:<ann@example.com>", "MAIL FROM  TO:<ann@example.com>", "MAILFROM:<ann@example.com>"],
    /^50[01] /,
  );
  await answers(["mail   from:  <ann@example.com>"], /^250 2\.1\.0 /);
  await answers(["RCPT    TO :<bob@example.org>"], /^250 2\.1\.5 /);
});

test("nobody signs in in the middle of a mail; before it and after it he may", async () => {
  await answers(["MAIL FROM:<ann@example.com>"], /^250 /);
  await answers([plain("right"), "AUTH LOGIN"], /^503 5\.5\.1 /);
  await answers(["RCPT TO:<bob@example.org>"], /^250 /);
  await answers([plain("wrong")], /^503 5\.5\.1 /);
  await answers(["RSET"], /^250 /);
  await answers([plain("right")], /^235 /);
});

/** Tries to sign in that say nothing that could be checked: each in one or two lines. */
const malformed = [["AUTH PLAIN !!!!"], ["AUTH PLAIN AAAA AAAA"], ["AUTH LOGIN", "===="], ["AUTH PLAIN", "b25l"]];

test("a try to sign in that cannot be read is a failed one, and after three the connection ends", async () => {
  const before = await failedSignIns();
  for (const [first = "", second] of malformed.slice(0, 3)) {
    const { text } = await client.say(first);
    if (second === undefined) assert.match(text, /^501 5\.5\.4 /);
    else await answers([second], /^501 5\.5\.4 /);
  }
  assert.is((await failedSignIns()) - before, 3);
  await answers([plain("right")], /^421 4\.7\.0 /);
  await client.ended();
});

test("so it does when none of them can be read, and when some can", async () => {
  const [first, , , last] = malformed;
  await answers([plain("wrong")], /^535 5\.7\.8 /);
  await answers([first?.[0] ?? "", first?.[0] ?? ""], /^501 5\.5\.4 /);
  await answers([last?.[0] ?? ""], /^334/);
  await answers([last?.[1] ?? ""], /^421 4\.7\.0 /);
  await client.ended();
});

test("a try that its client gives up is none", async () => {
  for (let time = 0; time < 5; time++) {
    await answers(["AUTH PLAIN"], /^334/);
    await answers(["*"], /^501 5\.5\.4 /);
  }
  // Nor is what has to do with something else.
  for (let time = 0; time < 5; time++) await answers(["MAIL FROM:nobody"], /^501 5\.1\.7 /);
  await answers([plain("right")], /^235 /);
});

for (const [what, lines, answer] of [
  ["a command without an end", ["x".repeat(20_000)], /^421 4\.5\.0 .*too long/],
  ["a request of HTTP", ["GET / HTTP/1.1"], /^421 4\.7\.0 .*HTTP/],
  ["the tenth command that nobody knows", Array.from({ length: 10 }, () => "HACK"), /^421 4\.7\.0 .*unrecognized/],
] as const) {
  test(`${what} ends the connection with a code that says why`, async () => {
    for (const line of lines.slice(0, -1)) assert.is((await client.say(line)).code, 500);
    await answers(lines.slice(-1), answer);
    await client.ended();
  });
}

test("so does talking before the greeting", async () => {
  const own = await freePort();
  const fn = smtp({ port: own, access: { ...access, trusts: () => false } }).handle(() => ({ text: "taken" }));
  const watching = await tryFunction(fn).listen();
  const hasty = await dial(own);
  assert.match((await hasty.say("EHLO client.example")).text, /^421 4\.7\.0 .*too soon/);
  await hasty.ended();
  await watching.close();
});

async function failedSignIns(): Promise<number> {
  const [, count] = /^smtp_sign_ins_failed_total\{.*\} (\d+)$/m.exec(await listener.metrics()) ?? [];
  return Number(count);
}

test.run();
