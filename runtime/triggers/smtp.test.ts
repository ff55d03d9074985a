import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../../ops/harness/server.ts";
import { dial, type Dialogue } from "../../ops/harness/smtp-dialogue.ts";
import { problems, smtp, thisMachine, type SmtpAccess, type SmtpRequest } from "../index.ts";
import type { SmtpContract } from "../smtp.ts";
import { tryFunction } from "../testing.ts";

interface Taken {
  from: string;
  to: readonly string[];
  raw: string;
}

const test = suite("the smtp trigger");
const open: { close(): Promise<void> }[] = [];
const clients: Dialogue[] = [];
test.after.each(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

/** A listener that keeps what it takes. */
async function listen(contract: Partial<SmtpContract<unknown>> = {}, keep?: (request: SmtpRequest) => Promise<string>) {
  const port = await freePort();
  const taken: Taken[] = [];
  const define = (answer: string) =>
    smtp({ port, access: thisMachine, ...contract }).handle(async (request) => {
      if (keep) return { text: await keep(request) };
      const { envelope, message } = request;
      taken.push({ ...envelope, raw: (await buffer(message)).toString("latin1") });
      return { text: answer };
    });
  const listener = await tryFunction(define("first")).listen();
  open.push(listener);
  return { port, taken, listener, define };
}

async function meet(port: number, options = {}): Promise<Dialogue> {
  const client = await dial(port, options);
  clients.push(client);
  assert.is((await client.hear()).code, 220);
  return client;
}

test("a mail is taken with its envelope, and what the handler says is the answer", async () => {
  const { port, taken } = await listen();
  const client = await meet(port);
  assert.is((await client.begin("ann@example.com", "bob@example.org", "BOB@example.org", "eve@example.org")).code, 354);
  const reply = await client.message("Subject: x\r\n\r\n.dot\r\nend\r\n");
  assert.is(reply.text, "250 2.6.0 first\r\n");
  assert.equal(taken, [
    { from: "ann@example.com", to: ["BOB@example.org", "eve@example.org"], raw: "Subject: x\r\n\r\n.dot\r\nend\r\n" },
  ]);
  assert.is((await client.say("QUIT")).code, 221);
});

test("whom the access rule trusts is greeted at once, others after smtp-server's 100 ms", async () => {
  const watched: SmtpAccess<undefined> = { name: "all", check: () => undefined };
  const times: number[] = [];
  for (const access of [thisMachine, watched]) {
    const { port } = await listen({ access });
    const started = performance.now();
    await meet(port);
    times.push(performance.now() - started);
  }
  assert.ok((times[1] ?? 0) >= 95, `greeted after ${times[1]} ms`);
  assert.ok((times[0] ?? 999) < 95, `greeted after ${times[0]} ms`);
});

test("a transaction stays on its version, the next one has the new one, and the connection stays", async () => {
  const { port, listener, define } = await listen();
  const [early, late] = [await meet(port), await meet(port)];
  await early.begin();
  await listener.mount(define("second"));
  await late.begin();
  assert.is((await late.message("x\r\n")).text, "250 2.6.0 second\r\n");
  assert.is((await early.message("x\r\n")).text, "250 2.6.0 first\r\n");
  await early.begin();
  assert.is((await early.message("x\r\n")).text, "250 2.6.0 second\r\n");
});

test("a problem is told by its status, or as the contract says; a fault of ours is a passing one", async () => {
  const said: Record<string, () => Error> = {
    a: () => problems.invalidRequest({ message: "No headers" }),
    b: () => problems.unavailable(),
    c: () => problems.forbidden({ message: "Not as ann" }),
    d: () => problems.notFound({ message: "Gone" }),
    e: () => new Error("a secret"),
  };
  const keep = async ({ message }: SmtpRequest) => {
    const text = (await buffer(message)).toString().trim();
    throw said[text]?.() ?? new Error("no such case");
  };
  const { port } = await listen({ replies: { not_found: [554, "5.1.8"] } }, keep);
  const client = await meet(port);
  const replies: string[] = [];
  for (const one of Object.keys(said)) {
    await client.begin();
    replies.push((await client.message(one)).text.trimEnd());
  }
  assert.equal(replies, [
    "554 5.6.0 No headers",
    "451 4.3.0 A service that this needs is away; try again shortly",
    "550 5.7.1 Not as ann",
    "554 5.1.8 Gone",
    "451 4.3.0 Something went wrong on our side; it has been logged",
  ]);
});

test("a text that SMTP cannot carry goes out as it can", async () => {
  const { port } = await listen({}, async () => {
    throw problems.invalidRequest({ message: `病歷\r\n250 ok ${"x".repeat(1000)}` });
  });
  const client = await meet(port);
  await client.begin();
  const { text } = await client.message("x");
  assert.match(text, /^554 5\.6\.0 \?250 ok x+\r\n$/);
  assert.ok(text.length <= 512);
});

test("access is asked for sender and recipient, and refuses each by itself", async () => {
  const access: SmtpAccess<string> = {
    name: "example.com only",
    check: () => "relay",
    sender(from) {
      if (!from.endsWith("@example.com")) throw problems.forbidden({ message: "This sender may not" });
    },
    recipient(to) {
      if (to.startsWith("bad")) throw problems.invalidRequest({ message: "Nobody is called that" });
    },
  };
  const { port, taken } = await listen({ access });
  const client = await meet(port);
  await client.say("EHLO x");
  assert.is((await client.say("MAIL FROM:<x@elsewhere.example>")).text, "550 5.7.1 This sender may not\r\n");
  assert.is((await client.say("RCPT TO:<bob@example.org>")).code, 503);
  assert.is((await client.say("MAIL FROM:<x@example.com>")).code, 250);
  assert.is((await client.say("RCPT TO:<bad@example.org>")).text, "553 5.1.3 Nobody is called that\r\n");
  assert.is((await client.say("DATA")).code, 503);
  assert.is((await client.say("RCPT TO:<good@example.org>")).code, 250);
  assert.is((await client.say("DATA")).code, 354);
  assert.is((await client.message("x")).code, 250);
  assert.equal(
    taken.map(({ to }) => to),
    [["good@example.org"]],
  );
});

test("a message over the limit is refused at SIZE=, at its end, and cut off when it has no end", async () => {
  const { port, taken } = await listen({ sizeLimit: 10_000 });
  const client = await meet(port);
  const hello = await client.say("EHLO x");
  assert.ok(hello.lines.includes("SIZE 10000"));
  assert.match((await client.say("MAIL FROM:<a@example.com> SIZE=10001")).text, /^552 5\.3\.4 /);
  await client.begin();
  assert.match((await client.message("x".repeat(10_001))).text, /^552 5\.3\.4 /);
  await client.begin();
  assert.is((await client.message("x".repeat(9_998))).code, 250);
  await client.begin();
  client.send("x".repeat(30_000));
  await client.ended();
  assert.is(taken.length, 1);
});

test("what arrives for the handler has CRLF only, and ends at CRLF dot CRLF only", async () => {
  const { port, taken } = await listen();
  const client = await meet(port);
  const ends = ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n", "\r\r\n.\r\r\n"];
  for (const end of ends) {
    await client.begin();
    client.send(`one${end}MAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\ntwo\r\n.\r\n`);
    assert.is((await client.hear()).code, 250, JSON.stringify(end));
    const { raw } = taken.at(-1) ?? { raw: "" };
    assert.match(raw, /^one[^]*two\r\n$/, JSON.stringify(end));
    assert.not.match(raw, /\r(?!\n)|(?<!\r)\n/);
  }
  assert.is(taken.length, ends.length);
  assert.is((await client.say("NOOP")).code, 250);
});

test("a message of dots costs what it may, and is answered", async () => {
  const { port } = await listen({ sizeLimit: 25 * 2 ** 20 });
  const client = await meet(port);
  await client.begin();
  client.send("..\r\n".repeat(2 ** 18));
  client.send(".\r\n");
  assert.is((await client.hear()).text, "554 5.6.0 The message has too many lines that begin with a dot\r\n");
  assert.is((await client.begin()).code, 354);
  assert.is((await client.message(".\r\n".repeat(10_000))).code, 250);
});

test("a client that goes before the final dot leaves a handler that hears of it, and nothing in progress", async () => {
  let heard: unknown;
  const { port, listener } = await listen({}, async ({ message }) => {
    try {
      await buffer(message);
    } catch (error) {
      heard = error;
      throw error;
    }
    return "kept";
  });
  const client = await meet(port);
  await client.begin();
  client.send("half a mess");
  await pause(50);
  client.close();
  await until(() => heard !== undefined);
  await until(async () => /function_calls_in_progress\{[^}]*\} 0/.test(await listener.metrics()));
  assert.match(await listener.metrics(), /function_calls_total\{function="tried",trigger="smtp",outcome="451"\} 1/);
});

test("so does one that goes while it is looked up whether it may send", async () => {
  const { promise: found, resolve } = Promise.withResolvers<undefined>();
  let asked = false;
  const access: SmtpAccess<undefined> = {
    name: "slow",
    check() {
      asked = true;
      return found;
    },
    trusts: () => true,
  };
  const { port, listener } = await listen({ access });
  const client = await meet(port);
  await client.say("EHLO x");
  client.send("MAIL FROM:<ann@example.com>\r\n");
  await until(() => asked);
  client.close();
  await until(async () => /smtp_connections\{[^}]*\} 0/.test(await listener.metrics()));
  await pause(50);
  resolve(undefined);
  await pause(50);
  assert.match(await listener.metrics(), /function_calls_in_progress\{[^}]*\} 0/);
});

test("one address has only so many connections, and others still have theirs", async () => {
  const { port } = await listen({ connections: { total: 10, perAddress: 2 } });
  await meet(port);
  const second = await meet(port);
  const third = await dial(port);
  clients.push(third);
  assert.match((await third.hear()).text, /^421 4\.7\.0 \S+ Too many connections/);
  await third.ended();
  await meet(port, { localAddress: "127.0.0.2" });
  second.close();
  await pause(100);
  await meet(port);
});

test("a client that is silent, or slow without end, is sent away", async () => {
  const { port } = await listen({ patience: { idleMs: 300, mailMs: 1500 } });
  const silent = await meet(port);
  assert.match((await silent.hear()).text, /^421 4\.4\.2 /);
  await silent.ended();
  const slow = await meet(port);
  await slow.begin();
  const drip = setInterval(() => slow.socket.writable && slow.send("x"), 50);
  assert.match((await slow.hear()).text, /^421 4\.4\.2 This takes too long/);
  await slow.ended();
  clearInterval(drip);
});

test("a handler that takes longer than it may is not waited for, and the client keeps its mail", async () => {
  let aborted = false;
  const port = await freePort();
  const fn = smtp({ port, access: thisMachine, timeLimitMs: 100 }).handle(async ({ message }, ctx) => {
    await buffer(message);
    await new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve()));
    aborted = true;
    return { text: "too late" };
  });
  open.push(await tryFunction(fn).listen());
  const client = await meet(port);
  await client.begin();
  assert.match((await client.message("x")).text, /^451 4\.3\.0 The call took longer/);
  assert.ok(aborted);
});

test("past its concurrency a function sheds load", async () => {
  const { port, listener } = await listen({ concurrency: 1 });
  const [one, two] = [await meet(port), await meet(port)];
  await one.say("EHLO x");
  await one.say("MAIL FROM:<a@example.com>");
  await two.say("EHLO x");
  assert.match((await two.say("MAIL FROM:<a@example.com>")).text, /^451 4\.3\.0 /);
  assert.match(await listener.metrics(), /function_calls_shed_total\{[^}]*\} 1/);
  await one.say("RSET");
  await until(async () => (await two.say("MAIL FROM:<a@example.com>")).code === 250);
});

test("signing in needs TLS, three failures end the connection, and a mail asks again", async () => {
  let revoked = false;
  const access: SmtpAccess<string> = {
    name: "password",
    check({ credentials }) {
      if (!credentials) throw problems.forbidden({ message: "Sign in first" });
      if (credentials.password !== "right" || revoked) throw problems.forbidden({ message: "The token is not valid" });
      return credentials.user;
    },
  };
  const plain = Buffer.from("\0ann\0right").toString("base64");
  const insecure = await meet((await listen({ access })).port);
  assert.not.match((await insecure.say("EHLO x")).text, /AUTH/);
  assert.match((await insecure.say(`AUTH PLAIN ${plain}`)).text, /^538 5\.7\.11 /);

  const { port, taken } = await listen({ access, plainSignIn: true });
  const client = await meet(port);
  assert.match((await client.say("EHLO x")).text, /AUTH PLAIN LOGIN/);
  assert.is(
    (await client.say(`AUTH PLAIN ${Buffer.from("\0ann\0wrong").toString("base64")}`)).text,
    "535 5.7.8 The token is not valid\r\n",
  );
  assert.is((await client.say(`AUTH PLAIN ${plain}`)).code, 235);
  await client.begin();
  assert.is((await client.message("x")).code, 250);
  revoked = true;
  assert.is((await client.say("MAIL FROM:<a@example.com>")).code, 550);
  assert.is(taken.length, 1);

  const guesser = await meet(port);
  await guesser.say("EHLO x");
  for (let time = 0; time < 3; time++) assert.is((await guesser.say("AUTH PLAIN AGFubgBubw==")).code, 535);
  assert.is((await guesser.say(`AUTH PLAIN ${plain}`)).code, 421);
  await guesser.ended();
});

test("closing lets a transaction end, sends away who has none, and opens no new one", async () => {
  const { port, taken, listener } = await listen();
  const [busy, idle] = [await meet(port), await meet(port)];
  await busy.begin();
  const closed = listener.close();
  assert.match((await idle.hear()).text, /^421 4\.3\.2 /);
  assert.is((await busy.message("x")).code, 250);
  assert.match((await busy.hear()).text, /^421 4\.3\.2 /);
  await closed;
  assert.is(taken.length, 1);
  assert.instance(
    await dial(port)
      .then((client) => client.hear())
      .catch((error: unknown) => error),
    Error,
  );
});

test("a port that two functions want is a fault, and so is a number that is no port", async () => {
  const port = await freePort();
  const twice = smtp({ port, tlsPort: port, access: thisMachine }).handle(() => ({ text: "" }));
  await rejects(tryFunction(twice).listen(), /port \d+ is taken/);
  await rejects(
    tryFunction(smtp({ port: 70_000, access: thisMachine }).handle(() => ({ text: "" }))).listen(),
    /no port/,
  );
});

async function rejects(work: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  assert.match(String(error), message);
}

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 3000; performance.now() < deadline; await pause(20))
    if (await check()) return;
  throw new Error("not within 3 s");
}

test.run();
