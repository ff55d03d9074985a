/** The schedule trigger: cron lines, and one run per tick across all containers. */
import { Cron } from "croner";
import type { Logger } from "../context.ts";
import type { Fault } from "../host/load.ts";
import type { CallStats } from "../host/metrics.ts";
import { Slot, Version, type Loaded } from "../host/slot.ts";
import { callSource } from "../host/call.ts";
import type { Host } from "../host/host.ts";
import { Limited } from "../host/time-limits.ts";
import { Problem, problems } from "../problem.ts";
import type { ScheduleFunction } from "../schedule.ts";
import { settle } from "../context.ts";
import { trials } from "./trials.ts";
import type { Trigger } from "./trigger.ts";

/** The longest wait of one timer: Node's timers overflow past 2^31 ms. */
const longestWaitMs = 60 * 60 * 1000;

type ScheduleSlot = Slot<ScheduleFunction, Cron> & { stats: CallStats; log: Logger; timer: NodeJS.Timeout | undefined };

export function scheduleTrigger(host: Host): Trigger {
  const slots = new Map<string, ScheduleSlot>();
  let draining = false;

  function plan(slot: ScheduleSlot, after: Date): void {
    clearTimeout(slot.timer);
    const next = draining ? null : slot.current.compiled.nextRun(after);
    if (!next) return;
    const wait = Math.max(0, next.getTime() - host.now().getTime());
    slot.timer = setTimeout(
      () => {
        if (wait > longestWaitMs || host.now() < next) return plan(slot, after);
        plan(slot, next);
        host.background(run(host, slot, next));
      },
      Math.min(wait, longestWaitMs),
    ).unref();
  }

  return {
    kind: "schedule",
    check: (functions) => functions.filter(isSchedule).flatMap(checkCron),

    async mount(loaded) {
      if (!isSchedule(loaded)) return;
      const version = new Version(loaded, parse(loaded.definition));
      const slot = slots.get(loaded.name);
      if (slot) {
        host.background(slot.swap(version));
        plan(slot, host.now());
        return;
      }
      const stats = host.metrics.of(loaded.name, "schedule");
      const log = host.log.child({ function: loaded.name });
      const made: ScheduleSlot = Object.assign(new Slot(loaded.name, version), { stats, log, timer: undefined });
      stats.inflight = () => made.inflight;
      stats.running = made;
      slots.set(loaded.name, made);
      plan(made, host.now());
    },

    ...trials(host, {
      slot: (name) => slots.get(name),
      is: isSchedule,
      compile: parse,
      way: ({ cron, contract: { timezone = "UTC" } }) => `run at ${cron} (${timezone})`,
    }),

    async unmount(name) {
      const slot = slots.get(name);
      if (!slot) return;
      slots.delete(name);
      clearTimeout(slot.timer);
      slot.stats.running = undefined;
      await slot.idle();
    },

    async drain() {
      draining = true;
      for (const slot of slots.values()) clearTimeout(slot.timer);
      await Promise.all([...slots.values()].map((slot) => slot.idle()));
    },

    describe: (definition) => {
      if (definition.kind !== "schedule") return { where: "", access: "", limits: "" };
      const { timezone = "UTC" } = definition.contract;
      return { where: `${definition.cron} (${timezone})`, access: "-", limits: "one run a tick" };
    },
  };
}

function isSchedule(loaded: Loaded): loaded is Loaded<ScheduleFunction> {
  return loaded.definition.kind === "schedule";
}

function parse({ cron, contract }: ScheduleFunction): Cron {
  return new Cron(cron, { paused: true, mode: "5-or-6-parts", timezone: contract.timezone ?? "UTC" });
}

function checkCron({ definition, file }: Loaded<ScheduleFunction>): Fault[] {
  try {
    if (parse(definition).nextRun()) return [];
    return [{ file, message: `its cron line "${definition.cron}" never comes due` }];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [{ file, message: `its cron line "${definition.cron}" is wrong: ${why}` }];
  }
}

/** Runs one tick, if it is this process's to run and the last run here has ended. */
async function run(host: Host, slot: ScheduleSlot, at: Date): Promise<void> {
  if (slot.inflight > 0) {
    slot.stats.shed++;
    return;
  }
  const version = slot.next();
  version.inflight++;
  const started = performance.now();
  let outcome = "done";
  const { contract } = version.loaded.definition;
  const ctx = host.newContext(callSource(slot.log, { version: version.loaded.hash }));
  const timeLimitMs = settle(contract.timeLimitMs ?? host.defaults.timeLimitMs, host.resources);
  const limit = new Limited(started + timeLimitMs, () => ctx.abort(problems.timeLimit()));
  host.timeLimits.add(limit);
  try {
    if (await host.claimTick(slot.name, at)) await version.loaded.definition.handler({ at }, ctx);
    else outcome = "elsewhere";
  } catch (error) {
    outcome = "failed";
    const known = error instanceof Problem ? error : host.translate(error);
    slot.stats.failed(known?.code ?? problems.internal.code);
    if (host.translate(error)?.status === 503)
      ctx.log.warn({ err: error }, `${slot.name} skipped a tick: a service is away`);
    else {
      version.faults++;
      ctx.log.error({ err: error }, `${slot.name} failed`);
    }
  } finally {
    host.timeLimits.delete(limit);
    slot.stats.observe(outcome, performance.now() - started, version.loaded.hash);
    ctx.ended({
      name: slot.name,
      kind: "internal",
      startedAt: started,
      tags: { function: slot.name, version: version.loaded.hash },
      failure: outcome === "failed" ? outcome : undefined,
      unlessIdle: true,
    });
    version.calls++;
    version.leave();
  }
}
