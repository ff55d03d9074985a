/** A process of the fleet: brings what it runs in line with what is deployed, and reports. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Logger } from "../context.ts";
import { isSelected } from "../host/discover.ts";
import { evaluate, type Bundle } from "../host/load.ts";
import { isFunction } from "../function.ts";
import type { Loaded } from "../host/slot.ts";
import type { Runtime } from "../runtime.ts";
import { guard } from "./guard.ts";
import type { RuntimeSettings } from "../house.ts";
import { missingPackages, platformOf } from "./platform.ts";
import { hostSeconds, type Deploy, type DeployStore, type FleetHost, type Report, type Target } from "./store.ts";

/** How often it is looked for steps that nobody told of, and how often this process says that it is there. */
const pollMs = (hostSeconds / 3) * 1000;

export interface FollowOptions {
  root: string;
  runtime: Runtime;
  store: DeployStore;
  host: FleetHost;
  log: Logger;
  /** Above this share of failed calls, a new version is taken back by itself. */
  maxFaultShare: number;
  /** For how long after it came, in milliseconds. */
  watchMs: number;
}

export interface Following {
  /** Ends it. Resolves when the step under way is done. */
  close(): Promise<void>;
}

/** Begins to follow, as the process that this is. */
export async function followDeploys({
  root,
  runtime,
  settings: { deploys, functions },
  log,
}: Pick<FollowOptions, "root" | "runtime" | "log"> & { settings: RuntimeSettings }): Promise<Following | undefined> {
  if (!deploys) return undefined;
  // In a container the host has its own name, and the process is the first.
  const name = process.pid === 1 ? hostname() : `${hostname()}/${process.pid}`;
  const host = { id: randomUUID(), name, functions, platform: platformOf(root) };
  return await follow({ root, runtime, log, host, ...deploys });
}

/** Applies what is deployed now, and everything that will be. Resolves when the first is done. */
export async function follow(options: FollowOptions): Promise<Following> {
  const { runtime, store, host, log } = options;
  /** The state of each step that this process has dealt with. */
  const done = new Map<string, Deploy["state"]>();
  /** What lay in the image at the start, for when a deploy goes back to it. */
  const image = new Map(runtime.list().map(({ function: name }) => [name, runtime.get(name)]));
  const guards = new Map<string, () => void>();

  async function apply(): Promise<void> {
    for (const deploy of await store.current()) {
      if (!isSelected(deploy.function, host.functions) || done.get(deploy.id) === deploy.state) continue;
      done.set(deploy.id, deploy.state);
      const reason = await attempt(() => (deploy.state === "preparing" ? prepare(deploy) : run(deploy)));
      const outcome = reason !== undefined ? "refused" : deploy.state === "preparing" ? "ready" : "running";
      tell(deploy, outcome, reason);
      await store.report(deploy.id, host, outcome, reason);
    }
  }

  function tell({ id, function: name, action, by }: Deploy, outcome: Report["outcome"], reason?: string): void {
    const about = { function: name, deploy: id, action, by };
    if (reason !== undefined) log.error({ ...about, reason }, "a deploy is refused here: what ran before goes on");
    else log.info(about, outcome === "ready" ? "a deploy would run here" : "a deploy runs here");
  }

  /** Finds out whether it would run, and changes nothing. */
  async function prepare({ function: name, target, canary }: Deploy): Promise<void> {
    if (canary) refuse(runtime.faultsOfTrial(await versionOf(name, { kind: "bundle", hash: canary.hash })));
    else if (target.kind === "bundle") refuse(runtime.faultsBeside(await versionOf(name, target)));
  }

  async function run(deploy: Deploy): Promise<void> {
    const { function: name, target, canary } = deploy;
    guards.get(name)?.();
    guards.delete(name);
    if (target.kind === "removed" || (target.kind === "image" && !image.has(name))) {
      await runtime.unmount(name);
    } else {
      const version = await versionOf(name, target);
      // Mounting what runs already would only open its consumer anew.
      if (runtime.get(name)?.hash !== version.hash) refuse(await runtime.replace(version));
      else runtime.endTrial(name);
    }
    if (canary) refuse(runtime.try(await versionOf(name, { kind: "bundle", hash: canary.hash }), canary.share));
    const age = Date.now() - (deploy.liveAt?.getTime() ?? 0);
    const isNew = deploy.action !== "rollback" && deploy.action !== "remove" && age < options.watchMs;
    if (isNew) guards.set(name, guard({ ...options, deploy, watchMs: options.watchMs - age }));
  }

  async function versionOf(name: string, target: Target): Promise<Loaded> {
    if (target.kind !== "bundle") {
      const lying = image.get(name);
      if (!lying) throw new Refusal("this image has no such function");
      return lying;
    }
    const stored = await store.bundle(name, target.hash);
    if (!stored) throw new Refusal("its bundle is not there any more");
    if (stored.platform !== host.platform) {
      throw new Refusal(
        `it was built beside another release of the runtime (${stored.platform}; here is ${host.platform})`,
      );
    }
    const missing = missingPackages(options.root, stored.packages);
    if (missing.length > 0) throw new Refusal(`it needs ${missing.join(" and ")}, which this image lacks`);
    return load(options.root, name, { ...stored, inputs: [] });
  }

  let turn: Promise<void> = Promise.resolve();
  const next = () => {
    turn = turn.then(apply).catch((error: unknown) => log.warn({ err: error }, "what is deployed cannot be looked up"));
    return turn;
  };
  const hello = () =>
    store
      .hello(host)
      .catch((error: unknown) => log.debug({ err: error }, "the fleet was not told that this process is there"));
  await hello();
  const unwatch = await store.watch(() => void next());
  const timer = setInterval(() => void Promise.all([hello(), next()]), pollMs).unref();
  await next();

  return {
    async close() {
      clearInterval(timer);
      unwatch();
      for (const end of guards.values()) end();
      await turn;
      await store.goodbye(host).catch(() => {});
    },
  };
}

/** Why a version does not run here: a sentence for the operator. */
class Refusal extends Error {}

function refuse(faults: readonly { message: string }[]): void {
  if (faults.length > 0) throw new Refusal(faults.map(({ message }) => message).join("; "));
}

/** The reason when it does not succeed. */
async function attempt(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split("\n")[0] : String(error);
  }
}

function load(root: string, name: string, bundle: Bundle): Loaded {
  let definition: unknown;
  try {
    definition = evaluate(root, name, bundle);
  } catch (error) {
    throw new Refusal(`it does not load: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`);
  }
  if (!isFunction(definition)) throw new Refusal("its default export is not a function");
  return { name, file: `functions/${name}.ts`, definition, hash: bundle.hash.slice(0, 12), inputs: [] };
}
