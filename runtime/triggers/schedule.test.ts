import { pino } from "pino";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Metrics } from "../host/metrics.ts";
import { schedule } from "../index.ts";
import { bareSettings, createHost } from "../host/create.ts";
import { scheduleTrigger } from "./schedule.ts";

type Handler = Parameters<ReturnType<typeof schedule>["handle"]>[0];

/** A trigger whose ticks are claimed by `claim`, as another process would see them too. */
function triggerOf(claim: (name: string, at: Date) => Promise<boolean>) {
  const log = pino({ level: "silent" });
  const host = createHost(
    { settings: { ...bareSettings, claimTick: claim }, resources: {} as never, log },
    new Metrics(),
  );
  return { trigger: scheduleTrigger(host), metrics: host.metrics };
}

const everySecond = (handler: Handler) => ({
  name: "tick",
  file: "functions/tick.ts",
  definition: schedule("* * * * * *").handle(handler),
  hash: "1",
  inputs: [],
});

/** The host's timers do not keep a process alive. */
const held = setInterval(() => {}, 1000);

test("of two processes, one runs each tick, at the time that the cron line asks for", async () => {
  const claimed = new Set<string>();
  const claim = async (name: string, at: Date) => {
    const tick = `${name} ${at.toISOString()}`;
    if (claimed.has(tick)) return false;
    claimed.add(tick);
    return true;
  };
  const ticks: number[] = [];
  const done = Promise.withResolvers<void>();
  const fn = everySecond(({ at }) => {
    ticks.push(at.getTime());
    if (ticks.length >= 3) done.resolve();
  });
  const processes = [triggerOf(claim), triggerOf(claim)];
  for (const { trigger } of processes) await trigger.mount(fn);
  await done.promise;
  await Promise.all(processes.map(({ trigger }) => trigger.drain()));
  assert.is(new Set(ticks).size, ticks.length);
  assert.ok(ticks.every((at) => at % 1000 === 0));
  assert.equal(ticks.slice(0, 3), [ticks[0], (ticks[0] ?? 0) + 1000, (ticks[0] ?? 0) + 2000]);
});

test("a tick that comes while the last run is under way is skipped, and draining waits for the run", async () => {
  let running = 0;
  let most = 0;
  const release = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  let claims = 0;
  const { trigger } = triggerOf(async () => ++claims > 0);
  await trigger.mount(
    everySecond(async () => {
      most = Math.max(most, ++running);
      asked.resolve();
      await release.promise;
      running--;
    }),
  );
  await asked.promise;
  await new Promise((resolve) => setTimeout(resolve, 1100)); // Long enough for another tick to have come.
  const drained = trigger.drain().then(() => running);
  release.resolve();
  assert.is(await drained, 0);
  assert.is(most, 1);
});

test("a handler that throws is logged and counted, and the next tick runs", async () => {
  let runs = 0;
  const twice = Promise.withResolvers<void>();
  const { trigger, metrics } = triggerOf(async () => true);
  await trigger.mount(
    everySecond(() => {
      if (++runs === 2) twice.resolve();
      throw new Error("not today");
    }),
  );
  await twice.promise;
  await trigger.drain();
  assert.ok((metrics.of("tick", "schedule").outcomes.get("failed") ?? 0) >= 2);
});

test("a cron line that is wrong, or never comes due, is a fault of its file", () => {
  const { trigger } = triggerOf(async () => true);
  const faultOf = (cron: string) => {
    const definition = schedule(cron).handle(() => {});
    return trigger.check([{ name: "x", file: "functions/x.ts", definition, hash: "", inputs: [] }])[0]?.message ?? "";
  };
  assert.is(faultOf("*/5 * * * *"), "");
  assert.match(faultOf("99 * * * *"), /cron line "99 \* \* \* \*" is wrong/);
  assert.match(faultOf("soon"), /is wrong/);
  assert.match(faultOf("0 0 30 2 *"), /never comes due/);
});

test.after(() => clearInterval(held));
test.run();
