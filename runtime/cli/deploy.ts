/** `fn deploy`, `rollback`, `promote` and `versions`: change one function in the whole fleet, and take it back. */
import { hostname, userInfo } from "node:os";
import { buildBundle, filesByName, resolveName } from "../deploy/prepare.ts";
import { exits } from "../deploy/exits.ts";
import { hostsOf, rollOut, type RolledOut, type RollOutOptions } from "../deploy/roll-out.ts";
import { stepBack } from "../deploy/steps.ts";
import type { Deploy, DeployStore, Step, Target } from "../deploy/store.ts";
import { OperatorError } from "../house.ts";
import { withHouse, type Session } from "./session.ts";
import { table } from "./table.ts";

export interface DeployArguments {
  name: string;
  canary?: string | undefined;
  "dry-run"?: boolean | undefined;
  "all-or-nothing"?: boolean | undefined;
  reason?: string | undefined;
  json?: boolean | undefined;
}

/** Brings a function of this folder to every process that runs it; one that is not here any more is taken away. */
export async function deploy(session: Session, args: DeployArguments): Promise<void> {
  const share = args.canary === undefined ? undefined : shareOf(args.canary);
  const files = await filesByName(session.root);
  await withStore(session, async (store) => {
    const live = await liveSteps(store);
    const name = resolveName(args.name, [...files.keys(), ...live.keys()]);
    const file = files.get(name);
    const before = live.get(name);
    const bundle = file && (await buildBundle(session.root, file));
    if (!bundle && share !== undefined) {
      throw new OperatorError(`${name} is not here: nothing could be tried.`, { exitCode: exits.unknown });
    }
    const wanted: Target = bundle ? { kind: "bundle", hash: bundle.hash } : { kind: "removed" };
    const common = { function: name, by: operator(), reason: args.reason };
    const step: Step =
      bundle && share !== undefined
        ? {
            ...common,
            action: "canary",
            target: before?.target ?? { kind: "image" },
            canary: { hash: bundle.hash, share },
            previous: before?.previous,
          }
        : { ...common, action: bundle ? "deploy" : "remove", target: wanted, canary: undefined, previous: before?.id };
    if (before && !before.canary && share === undefined && sameTarget(before.target, wanted)) {
      return say(args, { function: name, changed: false }, `${name} ${show(wanted)} runs already: nothing to do.\n`);
    }
    if (args["dry-run"]) return await dryRun(store, args, step, before);
    await alone(store, name, async () => {
      if (bundle) await store.keep(bundle);
      tell(args, `Deploying ${name} ${show(wanted)} …`);
      const options = { allOrNothing: args["all-or-nothing"] === true, prepare: true };
      await finish(store, args, step, options);
    });
  });
}

/** Takes the newest step back: a canary alone, or what all calls run on. */
export async function rollback(session: Session, args: DeployArguments): Promise<void> {
  await change(session, args, async (store, before) => {
    const step = await stepBack(store, before, { by: operator(), reason: args.reason });
    if (!step)
      throw new OperatorError(`Nothing ran before: there is nothing to go back to.`, { exitCode: exits.nothing });
    return step;
  });
}

/** Gives a canary all calls. */
export async function promote(session: Session, args: DeployArguments): Promise<void> {
  await change(session, args, async (_store, before) => {
    if (!before.canary) {
      throw new OperatorError(`Of ${before.function} no canary runs: deploy one with --canary 10%.`, {
        exitCode: exits.nothing,
      });
    }
    return {
      function: before.function,
      action: "promote",
      target: { kind: "bundle", hash: before.canary.hash },
      canary: undefined,
      previous: before.id,
      by: operator(),
      reason: args.reason,
    };
  });
}

/** What is deployed, or what was done with one function, newest first. */
export async function versions(session: Session, args: { name?: string | undefined; json?: boolean | undefined }) {
  const files = await filesByName(session.root);
  await withStore(session, async (store) => {
    const live = await liveSteps(store);
    const name = args.name === undefined ? undefined : resolveName(args.name, [...files.keys(), ...live.keys()]);
    const steps = name === undefined ? [...live.values()] : await store.history(name, 50);
    if (args.json) return void process.stdout.write(`${JSON.stringify(steps, undefined, 2)}\n`);
    if (steps.length === 0) {
      const what = name === undefined ? "No function was deployed by itself" : `${name} was not deployed by itself`;
      return void process.stdout.write(`${what}: what lies in each image runs.\n`);
    }
    const rows = steps.map((step) => ({
      step: step.id,
      function: step.function,
      action: step.action,
      runs: show(step.target),
      canary: step.canary ? `${step.canary.hash.slice(0, 12)} ${percent(step.canary.share)}` : "",
      state: step.state,
      at: step.at.toISOString().slice(0, 19),
      by: step.by,
      reason: step.reason ?? "",
    }));
    const columns = ["step", "function", "action", "runs", "canary", "state", "at", "by", "reason"] as const;
    process.stdout.write(table(rows, columns));
  });
}

async function change(
  session: Session,
  args: DeployArguments,
  next: (store: DeployStore, before: Deploy) => Promise<Step>,
): Promise<void> {
  const files = await filesByName(session.root);
  await withStore(session, async (store) => {
    const live = await liveSteps(store);
    const name = resolveName(args.name, [...files.keys(), ...live.keys()]);
    await alone(store, name, async () => {
      const before = (await liveSteps(store)).get(name);
      if (!before) {
        throw new OperatorError(`${name} was not deployed by itself: what lies in the image runs.`, {
          exitCode: exits.nothing,
        });
      }
      const step = await next(store, before);
      if (args["dry-run"]) return await dryRun(store, args, step, before);
      // It has run there before, or runs there now: nobody has to be asked.
      await finish(store, args, step, { allOrNothing: false, prepare: false });
    });
  });
}

async function finish(store: DeployStore, args: DeployArguments, step: Step, options: RollOutOptions): Promise<void> {
  const began = performance.now();
  const done = await rollOut(store, step, options);
  const took = Math.round(performance.now() - began);
  const runs = done.reports.filter(({ outcome }) => outcome === "running").length;
  const all = done.reports.length + done.silent.length;
  const canary = step.canary ? ` with ${percent(step.canary.share)} on ${step.canary.hash.slice(0, 12)}` : "";
  const where =
    all === 0 ? "no process runs it now: it begins with the next that starts" : `${runs} of ${all} processes`;
  const text = `${step.function}: ${show(step.target)}${canary} runs; ${where} (${took} ms)\n${refusals(done)}`;
  say(args, { function: step.function, step: done.id, ms: took, changed: true, ...done }, text);
  if (runs < all) process.exitCode = exits.partial;
}

function refusals({ reports, silent }: RolledOut): string {
  const refused = reports.filter(({ outcome }) => outcome === "refused");
  const lines = [
    ...refused.map(({ host, reason }) => `  ${host} refuses it and keeps what it ran: ${reason}`),
    ...silent.map((name) => `  ${name} did not answer: it changes over as soon as it does`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

async function dryRun(store: DeployStore, args: DeployArguments, step: Step, before: Deploy | undefined) {
  const hosts = (await hostsOf(store, step.function)).map(({ name }) => name);
  const [from, to] = [show(before?.target ?? { kind: "image" }), show(step.target)];
  const canary = step.canary ? `; ${percent(step.canary.share)} of the calls to ${step.canary.hash.slice(0, 12)}` : "";
  const where = hosts.length > 0 ? hosts.join(", ") : "no process: none runs it now";
  const text = `${step.function}: ${step.action} would change ${from} to ${to}${canary}\n  in ${where}\n`;
  say(args, { function: step.function, action: step.action, from, to, canary: step.canary, hosts }, text);
}

/** Runs with the store, or says in a sentence why there is none. */
async function withStore(session: Session, run: (store: DeployStore) => Promise<void>): Promise<void> {
  const { house } = session;
  try {
    await withHouse(house, async ({ resources }) => {
      const store = house.settings(resources).deploys?.store;
      if (!store) throw new OperatorError("This house has no place for deploys: see `deploys` in its settings.");
      await run(store);
    });
  } catch (error) {
    if (!(error instanceof OperatorError) || error.exitCode !== 1) throw error;
    throw new OperatorError(error.message, { exitCode: exits.away, cause: error });
  }
}

async function alone(store: DeployStore, name: string, run: () => Promise<void>): Promise<void> {
  if (await store.alone(name, run)) return;
  throw new OperatorError(`Somebody else deploys ${name} at this moment: look with fn versions ${name}.`, {
    exitCode: exits.busy,
  });
}

async function liveSteps(store: DeployStore): Promise<Map<string, Deploy>> {
  const steps = (await store.current()).filter(({ state }) => state === "live");
  return new Map(steps.map((step) => [step.function, step]));
}

/** `10%` or `10`. */
function shareOf(text: string): number {
  const share = Number(/^(\d{1,2}(?:\.\d+)?) ?%?$/.exec(text.trim())?.[1]) / 100;
  if (share > 0 && share < 1) return share;
  throw new OperatorError(`--canary must be a share of the calls, such as 10%, not "${text}".`, { exitCode: 64 });
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}

function show(target: Target): string {
  if (target.kind === "bundle") return target.hash.slice(0, 12);
  return target.kind === "image" ? "what lies in the image" : "nothing";
}

function sameTarget(a: Target, b: Target): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Who is written down: the person at the prompt. */
function operator(): string {
  return `${process.env["FN_OPERATOR"] ?? userInfo().username}@${hostname()}`;
}

function tell({ json }: DeployArguments, text: string): void {
  if (!json) process.stderr.write(`${text}\n`);
}

function say({ json }: DeployArguments, result: object, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : text);
}
