/** The time to stop is over, and clients are still there: who may be sent away is, and who is lost is told of. */
import { once } from "node:events";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../../ops/harness/server.ts";
import { dial, type Dialogue } from "../../ops/harness/smtp-dialogue.ts";
import { Metrics } from "../host/metrics.ts";
import { smtp, thisMachine, type SmtpRequest } from "../index.ts";
import type { Context } from "../context.ts";
import { bareSettings, createHost } from "../host/create.ts";
import { smtpTrigger } from "../triggers/smtp.ts";

const test = suite("stopping an SMTP listener");
/** What the host gives to calls that it has aborted. */
const lastMomentMs = 500;
const clients: Dialogue[] = [];
test.after.each(() => clients.splice(0).forEach((client) => client.close()));

async function listen(take: (request: SmtpRequest, ctx: Context) => Promise<string>) {
  const log = pino({ level: "silent" });
  const host = createHost({ settings: bareSettings, resources: {} as never, log }, new Metrics());
  const trigger = smtpTrigger(host);
  const port = await freePort();
  const fn = smtp({ port, access: thisMachine }).handle(async (request, ctx) => ({ text: await take(request, ctx) }));
  await trigger.mount({ name: "take", file: "take.ts", definition: fn, hash: "1", inputs: [] });
  const meet = async () => {
    const client = await dial(port);
    clients.push(client);
    await client.hear();
    await client.say("EHLO client.example");
    return client;
  };
  /** Begins to stop; `late` is the end of the time for it, and resolves with whether all had ended a moment later. */
  const stop = () => {
    const drained = trigger.drain().then(() => true);
    const late = async () => {
      host.timeLimits.expireAll();
      return await Promise.race([drained, pause(lastMomentMs, false)]);
    };
    return { drained, late };
  };
  return { port, meet, stop };
}

test("who has not ended his message by then is told so, and nothing is lost", async () => {
  const aborted: string[] = [];
  const { meet, stop } = await listen(async ({ message }) => {
    await buffer(message).catch((error: unknown) => {
      aborted.push(String(error));
      throw error;
    });
    return "taken";
  });
  const [begun, silent, slow, quick] = [await meet(), await meet(), await meet(), await meet()];
  await begun.say("MAIL FROM:<ann@example.com>");
  for (const client of [silent, slow, quick]) await client.begin();
  const drip = setInterval(() => slow.socket.writable && slow.send("x\r\n"), 10);
  const { late } = stop();
  assert.is((await quick.message("in time")).code, 250);
  await pause(100);
  const inTime = late();
  for (const client of [begun, silent, slow]) {
    assert.match((await client.hear()).text, /^421 4\.3\.2 /);
    await client.ended();
  }
  clearInterval(drip);
  assert.is(await inTime, true);
  assert.is(aborted.length, 2);
});

test("who does not hang up when told to is not waited for", async () => {
  const { port, stop } = await listen(async () => "taken");
  const deaf = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  deaf.on("error", () => {}).resume();
  await once(deaf, "data");
  assert.is(await stop().late(), true);
  deaf.destroy();
});

test("a message that has come whole is waited for to the last; then its client is told to come again", async () => {
  const { meet, stop } = await listen(async ({ message }, { signal }) => {
    const text = (await buffer(message)).toString();
    if (text.startsWith("slow")) await pause(200);
    else await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    return "taken";
  });
  const [slow, endless] = [await meet(), await meet()];
  for (const client of [slow, endless]) await client.begin();
  const answers = [slow.message("slow"), endless.message("endless")];
  await pause(50);
  const { late } = stop();
  assert.match((await answers[0])?.text ?? "", /^250 /);
  const inTime = late();
  assert.match((await answers[1])?.text ?? "", /^451 4\.3\.0 /);
  assert.match((await endless.hear()).text, /^421 4\.3\.2 /);
  assert.is(await inTime, true);
});

test("a function that does not give up is known to be left behind", async () => {
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const { meet, stop } = await listen(async ({ message }) => {
    await buffer(message);
    await end;
    return "taken";
  });
  const client = await meet();
  await client.begin();
  const answer = client.message("x");
  await pause(50);
  const { drained, late } = stop();
  const inTime = late();
  assert.match((await answer).text, /^451 /);
  assert.is(await inTime, false);
  resolve();
  assert.is(await drained, true);
});

test.run();
