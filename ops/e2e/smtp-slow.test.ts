/** SMTP clients that take their time, that say nothing, and that are too many: others do not notice them. */
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue } from "../harness/smtp-dialogue.ts";
import { eventually } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("slow SMTP clients");
const idleMs = 2000;
const mailMs = 6000;
/** The time to notice it included, on a busy machine. */
const sentAwayMs = 12_000;
const perAddress = 30;
const inAll = 50;

let system: System;
const clients: Dialogue[] = [];
const drips: NodeJS.Timeout[] = [];

story.before(async () => {
  const env = {
    SMTP_IDLE_TIMEOUT_SECONDS: String(idleMs / 1000),
    SMTP_MESSAGE_TIMEOUT_SECONDS: String(mailMs / 1000),
    SMTP_MAX_CONNECTIONS_PER_ADDRESS: String(perAddress),
    SMTP_MAX_CONNECTIONS: String(inAll),
  };
  system = await startSystem({ smtp: true, env });
});
story.after.each(async () => {
  for (const drip of drips.splice(0)) clearInterval(drip);
  for (const client of clients.splice(0)) client.close();
  await eventually(async () => (await connections()) === 0, { what: "all have gone" });
});
story.after(stopAll);

const connections = () => system.metric("smtp_connections");

interface Meeting {
  localAddress?: string;
  tls?: boolean;
}

async function call({ tls = false, ...options }: Meeting = {}): Promise<Dialogue> {
  const within = sentAwayMs;
  const client = await dial(tls ? system.smtp.tlsPort : system.smtp.port, { tls, within, ...options });
  clients.push(client);
  return client;
}

async function meet(options?: Meeting): Promise<Dialogue> {
  const client = await call(options);
  assert.is((await client.hear()).code, 220);
  return client;
}

/** An ordinary mail goes through at once. */
async function ordinaryMail(options?: Meeting): Promise<void> {
  const started = performance.now();
  const client = await meet(options);
  assert.is((await client.begin()).code, 354);
  assert.match((await client.message("Subject: Your order\r\n\r\nIt is on its way.\r\n")).text, /^250 2\.6\.0 /);
  client.close();
  const took = performance.now() - started;
  assert.ok(took < idleMs, `an ordinary mail took ${took} ms`);
}

/** Sends a piece every 100 ms, for as long as anybody listens. */
function drip(client: Dialogue, piece: string): void {
  drips.push(setInterval(() => client.socket.writable && client.send(piece), 100));
}

/** Resolves when a client has been sent away, with how long it could stay. */
async function sentAway(client: Dialogue): Promise<number> {
  const started = performance.now();
  assert.match((await client.hear()).text, /^421 4\.4\.2 /);
  await client.ended();
  return performance.now() - started;
}

const slow: Record<string, () => Promise<Dialogue>> = {
  "its commands": async () => {
    const client = await meet();
    drip(client, "N");
    return client;
  },
  "the next recipient": async () => {
    const client = await meet();
    await client.say("EHLO x");
    await client.say("MAIL FROM:<ann@example.com>");
    drip(client, "R");
    return client;
  },
  "its message": async () => {
    const client = await meet();
    await client.begin();
    drip(client, "x");
    return client;
  },
  "its message, line by line": async () => {
    const client = await meet({ tls: true });
    await client.begin();
    drip(client, "\r\n");
    return client;
  },
};
story("twenty that send a byte every 100 ms are sent away in time, and nobody waits for them", async () => {
  const all = await Promise.all(Object.values(slow).flatMap((begin) => Array.from({ length: 5 }, begin)));
  const away = Promise.all(all.map(sentAway));
  for (let mail = 0; mail < 10; mail++) await ordinaryMail();
  const times = await away;
  assert.ok(
    times.every((ms) => ms > idleMs && ms < sentAwayMs),
    `sent away after ${times.map(Math.round).join(", ")} ms`,
  );
});

story("one that says something in time is not sent away", async () => {
  const client = await meet();
  await client.begin();
  drip(client, "x\r\n");
  await pause(1.5 * idleMs);
  clearInterval(drips.pop());
  assert.match((await client.message("end")).text, /^250 2\.6\.0 /);
});

const silent: Record<string, () => Promise<Dialogue>> = {
  "from the beginning": () => meet(),
  "over TLS": () => meet({ tls: true }),
  "in a transaction": async () => {
    const client = await meet();
    await client.say("EHLO x");
    await client.say("MAIL FROM:<ann@example.com>");
    return client;
  },
  "in a message": async () => {
    const client = await meet();
    await client.begin();
    return client;
  },
};
for (const [where, begin] of Object.entries(silent)) {
  story(`one that says nothing ${where} is sent away`, async () => {
    const client = await begin();
    const ms = await sentAway(client);
    assert.ok(ms > idleMs / 2 && ms < sentAwayMs, `after ${ms} ms`);
  });
}

const hello = Buffer.from([22, 3, 1, 2, 0]); // Of a longer one.
for (const [what, begin, more] of [
  ["does not begin", Buffer.alloc(0), ""],
  ["does not go on with", hello, ""],
  ["drips into", hello, "\u0001"],
] as const) {
  story(`one that ${what} its TLS handshake is cut off, after STARTTLS and where TLS comes first`, async () => {
    const upgrading = await meet();
    await upgrading.say("EHLO x");
    assert.is((await upgrading.say("STARTTLS")).code, 220);
    const first = connect(system.smtp.tlsPort, "127.0.0.1").on("error", () => {});
    const started = performance.now();
    for (const socket of [upgrading.socket, first]) {
      socket.write(begin);
      if (more) drips.push(setInterval(() => socket.writable && socket.write(more), 100));
    }
    await Promise.all([upgrading.ended(), once(first, "close", { signal: AbortSignal.timeout(sentAwayMs) })]);
    const took = performance.now() - started;
    assert.ok(took > idleMs / 2 && took < sentAwayMs, `after ${took} ms`);
    await ordinaryMail({ tls: true });
  });
}

story("one that does not listen is gone when its time is over", async () => {
  const deaf = await meet();
  deaf.socket.pause();
  deaf.send("NOOP\r\n".repeat(100_000));
  const started = performance.now();
  assert.is(await connections(), 1);
  await eventually(async () => (await connections()) === 0, { what: "it is gone", within: sentAwayMs });
  const took = performance.now() - started;
  assert.ok(took > idleMs / 2, `after ${took} ms`);
});

for (const [port, tls] of [
  ["the plain port", false],
  ["the port with TLS", true],
] as const) {
  story(`one address has only so many connections at ${port}; others have theirs`, async () => {
    const before = await system.metric("smtp_connections_refused_total");
    const all = await Promise.all(Array.from({ length: perAddress }, () => meet({ tls })));
    const refused = await Promise.all(Array.from({ length: 5 }, () => call({ tls })));
    for (const client of refused) {
      assert.match((await client.hear()).text, /^421 4\.7\.0 .*Too many connections from your address/);
      await client.ended();
    }
    await ordinaryMail({ tls, localAddress: "127.0.0.2" });
    assert.is((await system.metric("smtp_connections_refused_total")) - before, 5);
    all[0]?.close();
    await eventually(async () => (await connections()) < perAddress, { what: "one has gone" });
    await ordinaryMail({ tls });
  });
}

story("all addresses together have only so many as well, at both ports", async () => {
  const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  const replies = await Promise.all(
    Array.from({ length: inAll + 5 }, async (_, n) => {
      const client = await call({ tls: n % 2 === 0, localAddress: addresses[n % addresses.length] ?? "" });
      return await client.hear();
    }),
  );
  const refused = replies.filter(({ code }) => code !== 220);
  assert.is(refused.length, 5);
  for (const { text } of refused) assert.match(text, /^421 4\.3\.2 /);
});

story("600 that never begin TLS take up the places of their address alone", async () => {
  const options = { host: "127.0.0.1", port: system.smtp.tlsPort, localAddress: "127.0.0.9" };
  const all = Array.from({ length: 600 }, () => connect(options).on("error", () => {}));
  await Promise.all(all.map((socket) => once(socket, "connect").catch(() => {})));
  for (const tls of [false, true]) await ordinaryMail({ tls });
  for (const socket of all) socket.destroy();
});

story("SIGTERM: who does not end his mail in the time for that is told to come again, and it ends well", async () => {
  const env = { SHUTDOWN_DRAIN_SECONDS: "2" };
  const stopping = await startSystem({ smtp: true, env });
  const greeted = async ({ tls = false } = {}) => {
    const client = await dial(tls ? stopping.smtp.tlsPort : stopping.smtp.port, { tls });
    clients.push(client);
    await client.hear();
    await client.say("EHLO client.example");
    return client;
  };
  const [begun, quiet, dripping, large, upgrading] = (await Promise.all(
    [false, false, true, false, false].map((tls) => greeted({ tls })),
  )) as [Dialogue, Dialogue, Dialogue, Dialogue, Dialogue];
  await begun.say("MAIL FROM:<ann@example.com>");
  for (const client of [quiet, dripping, large]) assert.is((await client.begin()).code, 354);
  quiet.send("Subject: half\r\n\r\n");
  drip(dripping, "x\r\n");
  large.send(`Subject: large\r\n\r\n${"x".repeat(5 * 2 ** 20)}\r\n`);
  await upgrading.say("MAIL FROM:<ann@example.com>");
  await upgrading.say("STARTTLS");
  const started = performance.now();
  const stopped = stopping.stop();
  for (const client of [begun, quiet, dripping, large]) {
    assert.match((await client.hear()).text, /^421 4\.3\.2 /);
    await client.ended();
  }
  assert.ok(performance.now() - started >= 2000, "they had their time");
  assert.equal(await stopped, { code: 0, signal: null });
  assert.ok(performance.now() - started < 6000, "it does not wait for more");
  const { stdout } = await stopping.output();
  assert.not.match(stdout, /"level":"error"|stopped before/);
});

story.run();
