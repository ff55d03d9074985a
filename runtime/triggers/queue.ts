/** The queue trigger: each version of a function is a consumer of its own, so a swap overlaps them and loses nothing. */
import type { TSchema } from "typebox";
import type { Consumer, Delivery, Outcome, QueueDeclaration } from "../broker.ts";
import { settle, type Logger } from "../context.ts";
import type { Fault } from "../host/load.ts";
import { Gate } from "../host/gate.ts";
import type { CallStats } from "../host/metrics.ts";
import { Slot, Version, type Loaded } from "../host/slot.ts";
import { callSource } from "../host/call.ts";
import type { Host } from "../host/host.ts";
import { Limited } from "../host/time-limits.ts";
import { Problem, problems } from "../problem.ts";
import type { QueueFunction, Workers } from "../queue.ts";
import { compile, type Checker } from "../web/validate.ts";
import { trials } from "./trials.ts";
import type { Trigger } from "./trigger.ts";

const defaultConcurrency = 10;

interface Compiled {
  queue: string;
  message: Checker;
  workers: Required<Workers>;
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
/** A consumer, and the gate that its deliveries pass. */
interface Intake {
  consumer: Consumer;
  gate: Gate;
}
type QueueSlot = Slot<QueueFunction, Compiled> & Shared & { intake: Intake };

export function queueTrigger(host: Host): Trigger {
  const slots = new Map<string, QueueSlot>();

  /** On the version whose turn it is; a consumer that is being drained stays on its own. */
  const run = (version: QueueVersion, shared: Shared, delivery: Delivery) => {
    const slot = slots.get(version.loaded.name);
    return deliver(host, slot?.current === version ? slot.next() : version, shared, delivery);
  };

  return {
    kind: "queue",
    check: (functions) => checkQueues(host, functions.filter(isQueue)),

    async mount(loaded) {
      if (!isQueue(loaded) || !host.broker) return;
      const version: QueueVersion = new Version(loaded, compileContract(host, loaded.definition));
      await host.broker.declare([declaration(version.compiled)]);
      const slot = slots.get(loaded.name);
      const shared: Shared = slot ?? sharedOf(host, loaded.name);
      const { queue, workers } = version.compiled;
      shared.stats.queue = queue;
      const gate = new Gate(workers, slot?.intake.gate.limit);
      const consumer = await host.broker.consume(queue, { concurrency: workers.prefetch }, (delivery) =>
        admit(gate, () => run(version, shared, delivery)),
      );
      const intake: Intake = { consumer, gate };
      if (slot) {
        const previous = slot.intake;
        slot.intake = intake;
        host.background(Promise.all([slot.swap(version), drain(previous)]));
        return;
      }
      const made: QueueSlot = Object.assign(new Slot(loaded.name, version), { intake, ...shared });
      shared.stats.inflight = () => made.inflight;
      shared.stats.gate = () => made.intake.gate;
      shared.stats.running = made;
      slots.set(loaded.name, made);
    },

    ...trials(host, {
      slot: (name) => slots.get(name),
      is: isQueue,
      compile: (definition) => compileContract(host, definition),
      way: ({ queue }) => `a consumer of ${settle(queue, host.resources)}`,
    }),

    async unmount(name) {
      const slot = slots.get(name);
      slots.delete(name);
      if (!slot) return;
      slot.stats.running = undefined;
      await drain(slot.intake);
    },

    async drain() {
      await Promise.all([...slots.values()].map(async (slot) => [await drain(slot.intake), await slot.idle()]));
    },

    describe: (definition) => {
      if (definition.kind !== "queue") return { where: "", access: "", limits: "" };
      const { queue, workers, timeLimitMs, ladderMs, deadLetter } = compileContract(host, definition);
      const ladder = ladderMs.length > 0 ? `, retry after ${ladderMs.map((ms) => ms / 1000).join(" ")} s` : "";
      const dead = deadLetter ? `, then ${deadLetter}` : "";
      const { min, max } = workers;
      const atOnce = min === max ? max : `${min} to ${max}`;
      return { where: queue, access: "-", limits: `${atOnce} at once, ${timeLimitMs / 1000} s${ladder}${dead}` };
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
    workers: workersOf(settle(contract.concurrency ?? defaultConcurrency, resources)),
    timeLimitMs: settle(contract.timeLimitMs ?? defaults.timeLimitMs, resources),
    ladderMs: settle(contract.retry ?? [], resources).map((seconds) => seconds * 1000),
    deadLetter: contract.deadLetter === undefined ? undefined : settle(contract.deadLetter, resources),
  };
}

/** More than what is prefetched never runs at once. */
function workersOf(setting: number | Workers): Required<Workers> {
  if (typeof setting === "number") return { min: setting, max: setting, prefetch: setting };
  const { min, max, prefetch = max } = setting;
  return { min: Math.min(min, max, prefetch), max: Math.min(max, prefetch), prefetch };
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
    const { min, prefetch } = workersOf(settle(definition.contract.concurrency ?? defaultConcurrency, host.resources));
    if (!(min >= 1 && prefetch >= 1)) faults.push({ file, message: "its concurrency is less than one" });
    try {
      compile(definition.contract.message as TSchema);
    } catch (error) {
      faults.push({ file, message: `its message schema does not compile: ${String(error)}` });
    }
  }
  return faults;
}

/**
 * Lets a delivery run when its turn comes. Waiting is not part of its time. One that still waits when the gate closes
 * goes back to its place in the queue.
 */
async function admit(gate: Gate, run: () => Promise<Outcome>): Promise<Outcome> {
  if (!(await gate.enter())) return { kind: "requeue", at: "front" };
  const begun = performance.now();
  const outcome = await run();
  gate.leave(begun, outcome.ease === true);
  return outcome;
}

/** Resolves when what has passed the gate has been acknowledged, and what waited is back in the queue. */
async function drain({ consumer, gate }: Intake): Promise<void> {
  await consumer.stop();
  gate.close();
  await consumer.drain();
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
    version.faults++;
    outcome = afterError(compiled, delivery.attempt, error);
    if (outcome.kind !== "dead") shared.stats.failed(reasonOf(error));
    ctx.log.error({ err: error, outcome: outcome.kind }, `${loaded.name} failed`);
  } finally {
    host.timeLimits.delete(limit);
    shared.stats.observe(outcome.kind, performance.now() - started, loaded.hash);
    if (outcome.kind === "dead") shared.stats.failed(codeOf(outcome.reason));
    ctx.ended({
      name: loaded.name,
      kind: "consumer",
      startedAt: started,
      tags: { function: loaded.name, ...bindings, queue: compiled.queue, outcome: outcome.kind },
      failure: outcome.kind === "dead" ? codeOf(outcome.reason) : outcome.kind === "retry" ? "retry" : undefined,
    });
    version.calls++;
    version.leave();
  }
  return outcome;
}

/** Of the reason for giving up, what is the same for all messages alike. */
function codeOf(reason: string): string {
  return /^\w+/.exec(reason)?.[0] ?? "dead";
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
  return { kind: "dead", reason: reasonOf(error) };
}

function reasonOf(error: unknown): string {
  return error instanceof Problem ? error.code : error instanceof Error ? error.name : "error";
}
