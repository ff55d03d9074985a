/** The queue trigger: each version of a function is a consumer of its own, so a swap overlaps them and loses nothing. */
import type { TSchema } from "typebox";
import type { Consumer, Delivery, Outcome, QueueDeclaration } from "../broker.ts";
import { settle, type Logger } from "../context.ts";
import type { Fault } from "../host/load.ts";
import type { CallStats } from "../host/metrics.ts";
import { Slot, Version, type Loaded } from "../host/slot.ts";
import { callSource } from "../host/call.ts";
import type { Host } from "../host/host.ts";
import { Limited } from "../host/time-limits.ts";
import { Problem, problems } from "../problem.ts";
import type { QueueFunction } from "../queue.ts";
import { compile, type Checker } from "../web/validate.ts";
import type { Trigger } from "./trigger.ts";

const defaultConcurrency = 10;

interface Compiled {
  queue: string;
  message: Checker;
  concurrency: number;
  timeLimitMs: number;
  ladderMs: readonly number[];
  deadLetter: string | undefined;
}
type QueueVersion = Version<QueueFunction, Compiled>;
/** What all versions of a function share. */
interface Shared {
  stats: CallStats;
  log: Logger;
}
type QueueSlot = Slot<QueueFunction, Compiled> & Shared & { consumer: Consumer };

export function queueTrigger(host: Host): Trigger {
  const slots = new Map<string, QueueSlot>();

  return {
    kind: "queue",
    check: (functions) => checkQueues(host, functions.filter(isQueue)),

    async mount(loaded) {
      if (!isQueue(loaded) || !host.broker) return;
      const version: QueueVersion = new Version(loaded, compileContract(host, loaded.definition));
      await host.broker.declare([declaration(version.compiled)]);
      const slot = slots.get(loaded.name);
      const shared: Shared = slot ?? sharedOf(host, loaded.name);
      const { queue, concurrency } = version.compiled;
      const consumer = await host.broker.consume(queue, { concurrency }, (delivery) =>
        deliver(host, version, shared, delivery),
      );
      if (slot) {
        const previous = slot.consumer;
        slot.consumer = consumer;
        host.background(Promise.all([slot.swap(version), previous.drain()]));
        return;
      }
      const made: QueueSlot = Object.assign(new Slot(loaded.name, version), { consumer, ...shared });
      shared.stats.inflight = () => made.inflight;
      slots.set(loaded.name, made);
    },

    async unmount(name) {
      const slot = slots.get(name);
      slots.delete(name);
      await slot?.consumer.drain();
    },

    async drain() {
      await Promise.all([...slots.values()].map(async (slot) => [await slot.consumer.drain(), await slot.idle()]));
    },

    describe: (definition) => {
      if (definition.kind !== "queue") return { where: "", access: "", limits: "" };
      const { queue, concurrency, timeLimitMs, ladderMs, deadLetter } = compileContract(host, definition);
      const ladder = ladderMs.length > 0 ? `, retry after ${ladderMs.map((ms) => ms / 1000).join(" ")} s` : "";
      const dead = deadLetter ? `, then ${deadLetter}` : "";
      return { where: queue, access: "-", limits: `${concurrency} at once, ${timeLimitMs / 1000} s${ladder}${dead}` };
    },
  };
}

function isQueue(loaded: Loaded): loaded is Loaded<QueueFunction> {
  return loaded.definition.kind === "queue";
}

function sharedOf(host: Host, name: string): Shared {
  return { stats: host.metrics.of(name, "queue"), log: host.log.child({ function: name }) };
}

function compileContract(host: Host, { queue, contract }: QueueFunction): Compiled {
  const { resources, defaults } = host;
  return {
    queue: settle(queue, resources),
    message: compile(contract.message),
    concurrency: settle(contract.concurrency ?? defaultConcurrency, resources),
    timeLimitMs: settle(contract.timeLimitMs ?? defaults.timeLimitMs, resources),
    ladderMs: settle(contract.retry ?? [], resources).map((seconds) => seconds * 1000),
    deadLetter: contract.deadLetter === undefined ? undefined : settle(contract.deadLetter, resources),
  };
}

function declaration({ queue, ladderMs, deadLetter }: Compiled): QueueDeclaration {
  return { name: queue, retryDelaysMs: ladderMs, ...(deadLetter !== undefined && { deadLetter }) };
}

function checkQueues(host: Host, functions: readonly Loaded<QueueFunction>[]): Fault[] {
  const faults: Fault[] = [];
  const taken = new Map<string, string>();
  for (const { definition, file } of functions) {
    if (!host.broker) {
      faults.push({ file, message: "it consumes a queue, but no broker is open" });
      continue;
    }
    const name = settle(definition.queue, host.resources);
    const other = taken.get(name);
    if (other) faults.push({ file, message: `the queue ${name} is consumed by ${other} already` });
    if (!/^[\w.-]{1,200}$/.test(name)) faults.push({ file, message: `"${name}" is no name for a queue` });
    taken.set(name, file);
    try {
      compile(definition.contract.message as TSchema);
    } catch (error) {
      faults.push({ file, message: `its message schema does not compile: ${String(error)}` });
    }
  }
  return faults;
}

/** Handles one delivery on a version. Never throws: what goes wrong becomes a retry, or the end of the message. */
async function deliver(host: Host, version: QueueVersion, shared: Shared, delivery: Delivery): Promise<Outcome> {
  const { compiled, loaded } = version;
  const started = performance.now();
  version.inflight++;
  const bindings = { version: loaded.hash, attempt: delivery.attempt };
  const ctx = host.newContext(callSource(shared.log, bindings, delivery.traceparent));
  const limit = new Limited(started + compiled.timeLimitMs, () => ctx.abort(problems.timeLimit()));
  host.timeLimits.add(limit);
  let outcome: Outcome = { kind: "done" };
  try {
    const [fault] = compiled.message.faults(delivery.message);
    if (fault) {
      outcome = { kind: "dead", reason: `invalid_message: ${fault.field} ${fault.message}` };
    } else {
      const request = { message: delivery.message, attempt: delivery.attempt };
      outcome = ((await loaded.definition.handler(request, ctx)) as Outcome | undefined) ?? outcome;
    }
  } catch (error) {
    outcome = afterError(compiled, delivery.attempt, error);
    ctx.log.error({ err: error, outcome: outcome.kind }, `${loaded.name} failed`);
  } finally {
    host.timeLimits.delete(limit);
    shared.stats.observe(outcome.kind, performance.now() - started);
    version.leave();
  }
  return outcome;
}

/** Runs single deliveries through a function without a broker: for tests. */
export function deliverer(host: Host, loaded: Loaded<QueueFunction>): (delivery: Delivery) => Promise<Outcome> {
  const version: QueueVersion = new Version(loaded, compileContract(host, loaded.definition));
  return (delivery) => deliver(host, version, sharedOf(host, loaded.name), delivery);
}

/** The ladder: the next delay while there is one, then the dead letter queue. */
function afterError({ ladderMs }: Compiled, attempt: number, error: unknown): Outcome {
  const delayMs = ladderMs[attempt - 1];
  if (delayMs !== undefined) return { kind: "retry", delayMs };
  const reason = error instanceof Problem ? error.code : error instanceof Error ? error.name : "error";
  return { kind: "dead", reason };
}
