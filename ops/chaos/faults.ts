/** What goes wrong: one thing or two at a time, for as long as chance says, and then it is put right again. */
import { open, rm } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { Behaviour } from "../e2e/stand-ins/sendgrid.ts";
import type { System } from "../e2e/system.ts";
import type { LineState } from "../harness/tcp-relay.ts";
import { fillerOf, type Fleet } from "./fleet.ts";
import type { Random } from "../harness/random.ts";

export interface Fault {
  /** `kill worker1`: for the table. */
  readonly name: string;
  /** What it strikes: not struck twice at once. */
  readonly target: string;
  /** Milliseconds that it lasts. */
  readonly holdMs: number;
  strike(): Promise<void> | void;
  /** Puts it right. */
  mend(): Promise<void> | void;
}

const processes = ["api1", "api2", "worker1", "worker2", "smtp"] as const;
const services = ["postgresql", "redis", "rabbit1", "rabbit2", "rabbit3"] as const;
const lines = ["postgresql", "redis", "rabbitmq", "sendgrid", "line"] as const;
const states = ["silent", "deaf", "slow", "refused"] as const satisfies LineState[];

type Kind = (fleet: Fleet, random: Random) => Fault;

/** A rest after the broker alone was struck, longer than what it lost waits for the sweep: see the audit. */
const restMs = 32_000;

/** A worker that stops for longer than its lease comes back to mails that are another's. */
const leaseMs = 62_000;

const killProcess: Kind = (fleet, random) => {
  const target = random.pick(processes);
  const system = fleet.processes[target];
  return fault(
    `kill -9 ${target}`,
    target,
    random.between(200, 4000),
    () => system.kill(),
    () => startAgain(system),
  );
};

const restartProcess: Kind = (fleet, random) => {
  const target = random.pick(processes);
  const system = fleet.processes[target];
  const stop = async () => void (await system.stop());
  return fault(`restart ${target}`, target, random.between(0, 1000), stop, () => startAgain(system));
};

const stopProcess: Kind = (fleet, random) => {
  const target = random.pick(processes);
  const system = fleet.processes[target];
  const isLong = target.startsWith("worker") && random.percent(15);
  const holdMs = isLong ? leaseMs : random.between(1000, 12_000);
  const signal = (name: NodeJS.Signals) => void process.kill(system.pid, name);
  return fault(
    `stop ${target}`,
    target,
    holdMs,
    () => signal("SIGSTOP"),
    () => signal("SIGCONT"),
  );
};

const killService: Kind = (fleet, random) => {
  const target = random.pick(services);
  const server = fleet.services[target];
  return fault(
    `kill -9 ${target}`,
    target,
    random.between(500, 5000),
    () => server.kill(),
    () => server.start(),
  );
};

/** A machine that hangs, and is then switched off: what was handed to it last is gone. */
const hangService: Kind = (fleet, random) => {
  const target = random.pick(services);
  const server = fleet.services[target];
  const hangs = random.between(1000, 6000);
  const strike = async () => {
    server.freeze();
    await pause(hangs);
    await server.kill();
  };
  return fault(`hang, kill -9 ${target}`, target, random.between(500, 3000), strike, () => server.start());
};

const stopService: Kind = (fleet, random) => {
  const target = random.pick(services);
  const server = fleet.services[target];
  return fault(
    `stop ${target}`,
    target,
    random.between(1000, 10_000),
    () => server.freeze(),
    () => server.thaw(),
  );
};

const cutLine: Kind = (fleet, random) => {
  const target = random.pick(lines);
  const state = random.pick(states);
  const line = fleet.lines[target];
  const holdMs = random.between(1000, 12_000);
  return fault(
    `${state} line to ${target}`,
    `line ${target}`,
    holdMs,
    () => line.become(state),
    () => line.become("open"),
  );
};

const fillDisk: Kind = (fleet, random) => {
  const mend = () => rm(fillerOf(fleet), { force: true });
  return fault("full disk", "disk", random.between(2000, 10_000), () => fill(fillerOf(fleet)), mend);
};

/** As a container is started again by whoever watches it: until it comes up, for its database may be away. */
async function startAgain(system: System): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await system.start();
    } catch (error) {
      if (tries === 30) throw error;
      await pause(1000);
    }
  }
}

function fault(name: string, target: string, holdMs: number, strike: Fault["strike"], mend: Fault["mend"]): Fault {
  return { name, target, holdMs, strike, mend };
}

async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  const piece = Buffer.alloc(2 ** 20);
  try {
    for (;;) await file.write(piece);
  } catch {
    // Full.
  } finally {
    await file.close();
  }
}

/** The next fault: each of a kind is as likely as its weight. */
export function nextFault(fleet: Fleet, random: Random): Fault {
  const weighted: readonly [Kind, number][] = [
    [killProcess, 5],
    [restartProcess, 2],
    [stopProcess, 3],
    [killService, 3],
    [hangService, 2],
    [stopService, 2],
    [cutLine, 5],
    [fillDisk, fleet.hasOwnDisk ? 1 : 0],
  ];
  let at = random.next() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
  const [kind] = weighted.find(([, weight]) => (at -= weight) < 0) ?? [killProcess];
  return kind(fleet, random);
}

/** The providers' answers are bad by chance all the time, until they are told to be good. */
export function spoilAnswers(fleet: Fleet, random: Random): void {
  fleet.line.plan({
    seed: random.between(0, 1e9),
    throttled: 0.01,
    broken: 0.02,
    reset: 0.01,
    resetAccepted: 0.03,
    silenceAccepted: 0.005,
    delay: 0.2,
    delayMs: 1000,
  });
  const resets = ["unread", "read", "accepted"] as const;
  fleet.sendgrid.always((): Behaviour | undefined => {
    const dice = random.between(0, 99);
    if (dice < 2) return { kind: "status", status: 500 };
    if (dice < 3) return { kind: "status", status: 503 };
    if (dice < 5) return { kind: "status", status: 429, headers: { "retry-after": "1" } };
    if (dice < 8) return { kind: "reset", when: random.pick(resets) };
    return dice < 12 ? { kind: "delay", ms: random.between(50, 2000) } : undefined;
  });
}

export function mendAnswers(fleet: Fleet): void {
  fleet.sendgrid.always(undefined);
  fleet.line.plan(undefined);
}

export interface Struck {
  name: string;
  /** What it struck. */
  target: string;
  /** From the strike until it was mended and the fleet took mail as before: milliseconds since 1970. */
  from: number;
  to: number;
  /** Milliseconds from the mending until then. */
  recoveryMs: number;
}

/** Whether it is the broker that was struck, or the line to it. */
export const isBroker = ({ target }: Pick<Fault, "target">): boolean => target.includes("rabbit");

/**
 * Strikes until the signal aborts, one thing or two at once, and mends everything before it returns. `recovered`
 * resolves when the fleet works again. `struck` gets what was struck.
 * @throws when a process ends that nobody struck, or `recovered` does.
 */
export async function strikeUntil(
  signal: AbortSignal,
  fleet: Fleet,
  random: Random,
  { struck, tell, recovered }: { struck: Struck[]; tell(line: string): void; recovered(): Promise<number> },
): Promise<void> {
  let wantsRest = false;
  while (!signal.aborted) {
    const rest = wantsRest ? restMs : random.between(500, 5000);
    await pause(rest, undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    const first = nextFault(fleet, random);
    const second = random.percent(30) ? nextFault(fleet, random) : undefined;
    const both = second && second.target !== first.target ? [first, second] : [first];
    tell(both.map(({ name, holdMs }) => `${name} for ${(holdMs / 1000).toFixed(1)} s`).join(", and "));
    const from = Date.now();
    await Promise.all(both.map((fault) => endure(fault)));
    for (const [name, { ended }] of Object.entries(fleet.processes)) {
      if (ended) throw new Error(`${name} has ended by itself: ${ended.signal ?? `code ${ended.code}`}`);
    }
    const recoveryMs = await recovered();
    for (const { name, target } of both) struck.push({ name, target, from, to: Date.now(), recoveryMs });
    wantsRest = both.every(isBroker) && random.percent(60);
  }
}

async function endure({ strike, mend, holdMs }: Fault): Promise<void> {
  await strike();
  await pause(holdMs);
  await mend();
}
