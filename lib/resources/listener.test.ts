import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Client } from "pg";
import { startPostgres, type Server } from "../../ops/harness/services.ts";
import { startTcpRelay } from "../../ops/harness/tcp-relay.ts";
import { eventually } from "../../ops/harness/test.ts";
import { openListener } from "./listener.ts";

const test = suite<{ server: Server }>("listener");
const log = pino({ level: "silent" });

test.before(async (context) => {
  context.server = await startPostgres({ durable: false });
});
test.after(({ server }) => server.close());

async function run(url: string, sql: string, values: string[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

const notify = (url: string, channel: string, payload: string) =>
  run(url, "SELECT pg_notify($1, $2)", [channel, payload]);

test("hears what it listens to, each channel by its own handlers", async ({ server }) => {
  const heard: string[] = [];
  const listener = await openListener({ url: server.url, log });
  assert.is(listener.isLive(), true);
  await listener.on("deploy", (payload) => void heard.push(`1 ${payload}`));
  await listener.on("deploy", () => {
    throw new Error("a broken handler");
  });
  await listener.on('Odd "name"', (payload) => void heard.push(`2 ${payload}`));
  await notify(server.url, "deploy", "mail/send");
  await notify(server.url, "nobody listens", "x");
  await notify(server.url, 'Odd "name"', "y");
  await eventually(() => heard.length === 2, { what: "two notifications" });
  assert.equal(heard, ["1 mail/send", "2 y"]);
  await listener.close();
  assert.is(listener.isLive(), false);
});

test("after the server was away it hears again, and says that something may have been missed", async ({ server }) => {
  const heard: string[] = [];
  let gaps = 0;
  const listener = await openListener({ url: server.url, log });
  await listener.on("deploy", (payload) => void heard.push(payload));
  listener.onGap(() => void gaps++);

  for (const [round, end] of [server.stop, server.kill].entries()) {
    await end();
    await eventually(() => !listener.isLive(), { what: "the loss is noticed" });
    await server.start();
    await eventually(() => listener.isLive(), { what: "it is live again", within: 3000 });
    assert.is(gaps, round + 1);
    await notify(server.url, "deploy", `round ${round}`);
    await eventually(() => heard.includes(`round ${round}`), { what: "the notification" });
  }
  await listener.close();
});

test("opened while the server is away, it starts listening by itself", async ({ server }) => {
  await server.stop();
  const heard: string[] = [];
  const listener = await openListener({ url: server.url, log });
  assert.is(listener.isLive(), false);
  let gaps = 0;
  listener.onGap(() => void gaps++);
  await listener.on("deploy", (payload) => void heard.push(payload));
  await server.start();
  await eventually(() => gaps === 1, { what: "it is live" });
  await notify(server.url, "deploy", "x");
  await eventually(() => heard.length === 1, { what: "the notification" });
  await listener.close();
});

test("a line that went silent is not believed for long, and what it held back is heard when it is back", async (context) => {
  const relay = await startTcpRelay(context.server.url);
  const listener = await openListener({ url: relay.url, log });
  const heard: string[] = [];
  let gaps = 0;
  listener.onGap(() => void gaps++);
  await listener.on("deploy", (payload) => void heard.push(payload));

  relay.freeze();
  await notify(context.server.url, "deploy", "held back");
  assert.is(listener.isLive(), true, "nobody can know yet");
  await eventually(() => !listener.isLive(), { what: "it is not believed any more", within: 1000 });
  assert.equal([heard, gaps], [[], 0]);

  relay.thaw();
  await eventually(() => listener.isLive(), { what: "it is believed again" });
  assert.equal([heard, gaps], [["held back"], 0], "nothing was missed by then");
  await listener.close();
  await relay.close();
});

test("notices a server that says nothing any more, and takes another connection", async ({ server }) => {
  const listener = await openListener({ url: server.url, log });
  let gaps = 0;
  listener.onGap(() => void gaps++);
  const [backend] = await run(
    server.url,
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'postroom listener'",
  );
  process.kill(Number(backend?.["pid"]), "SIGSTOP");
  try {
    await eventually(() => gaps === 1, { what: "another connection took over", within: 10_000 });
    assert.is(listener.isLive(), true);
  } finally {
    process.kill(Number(backend?.["pid"]), "SIGCONT");
  }
  await listener.close();
});

test.run();
