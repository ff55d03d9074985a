/** Takes a step with the whole fleet: every process tries it first, then all of them change over. */
import { setTimeout as pause } from "node:timers/promises";
import { isSelected } from "../host/discover.ts";
import { OperatorError } from "../house.ts";
import { exits } from "./exits.ts";
import { stepBack } from "./steps.ts";
import { hostSeconds, type DeployStore, type FleetHost, type Report, type Step } from "./store.ts";

/** How long processes have to try a version, and to change over, in milliseconds. */
const answerMs = 10_000;
const lookMs = 25;

export interface RollOutOptions {
  /** Changes nothing anywhere unless it runs everywhere. */
  allOrNothing: boolean;
  /** Whether processes are asked first whether it would run. */
  prepare: boolean;
}

export interface RolledOut {
  id: string;
  reports: Report[];
  /** Processes that should have answered and did not: they do what is deployed as soon as they can. */
  silent: string[];
}

/** The processes that run a function. */
export async function hostsOf(store: DeployStore, name: string): Promise<FleetHost[]> {
  return (await store.hosts(hostSeconds)).filter(({ functions }) => isSelected(name, functions));
}

/**
 * Throws an `OperatorError` when no process takes the version, or with `allOrNothing` not every one: then all of them run
 * what they ran before. So they do when whoever calls this ends while they are asked.
 */
export async function rollOut(store: DeployStore, step: Step, options: RollOutOptions): Promise<RolledOut> {
  const hosts = await hostsOf(store, step.function);
  const id = await store.begin(step, options.prepare ? "preparing" : "live");
  if (id === undefined) throw new OperatorError("The step was not taken", { exitCode: exits.busy });
  if (options.prepare) {
    try {
      await agree(store, id, hosts, options);
    } catch (error) {
      await store.decide(id, "abandoned");
      throw error;
    }
  }
  const done = { id, ...(await answers(store, id, hosts, ({ outcome }) => outcome !== "ready")) };
  if (options.allOrNothing && done.reports.some(({ outcome }) => outcome === "refused")) {
    const deploy = await store.find(id);
    const back = deploy && (await stepBack(store, deploy, { by: step.by, reason: "not every process took it" }));
    if (back) await rollOut(store, back, { allOrNothing: false, prepare: false });
    throw new OperatorError(`It was taken back everywhere: ${whyNot(done)}`, { exitCode: exits.refused });
  }
  return done;
}

/** Has every process try it, and decides that it goes live. Throws when it must not. */
async function agree(
  store: DeployStore,
  id: string,
  hosts: readonly FleetHost[],
  { allOrNothing }: RollOutOptions,
): Promise<void> {
  const asked = await answers(store, id, hosts, (report) => report.outcome !== "running");
  const refused = asked.reports.filter(({ outcome }) => outcome === "refused");
  const isNobodys = hosts.length > 0 && refused.length === hosts.length;
  if (isNobodys || (allOrNothing && (refused.length > 0 || asked.silent.length > 0))) {
    throw new OperatorError(`Nothing was changed: ${whyNot(asked)}`, { exitCode: exits.refused });
  }
  if (!(await store.decide(id, "live"))) {
    throw new OperatorError("The step was given up meanwhile", { exitCode: exits.busy });
  }
}

/** Waits until every process has reported what counts, or its time is over. */
async function answers(
  store: DeployStore,
  id: string,
  hosts: readonly FleetHost[],
  counts: (report: Report) => boolean,
): Promise<Pick<RolledOut, "reports" | "silent">> {
  const until = performance.now() + answerMs;
  for (;;) {
    const reports = (await store.reports(id)).filter(counts);
    const silent = hosts.map(({ name }) => name).filter((name) => !reports.some(({ host }) => host === name));
    if (silent.length === 0 || performance.now() > until) return { reports, silent };
    await pause(lookMs);
  }
}

function whyNot({ reports, silent }: Pick<RolledOut, "reports" | "silent">): string {
  const refused = reports.filter(({ outcome }) => outcome === "refused");
  const reasons = refused.map(({ host, reason }) => `${host} refuses it: ${reason}`);
  return [...reasons, ...silent.map((name) => `${name} did not answer`)].join("; ");
}
