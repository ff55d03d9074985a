/** Watches a new version for its first minutes, and takes it back when too many of its calls fail. */
import type { Logger } from "../context.ts";
import type { Runtime } from "../runtime.ts";
import type { Deploy, DeployStore, FleetHost } from "./store.ts";
import { stepBack } from "./steps.ts";

/** How often it looks, in milliseconds. */
const lookMs = 500;
/** So many calls must have failed: one alone may be an accident. */
const fewestFaults = 3;

export interface GuardOptions {
  runtime: Runtime;
  store: DeployStore;
  host: FleetHost;
  log: Logger;
  deploy: Deploy;
  maxFaultShare: number;
  watchMs: number;
}

/** Returns what ends it. Faults are those of the code (see `Version`): an outage of what it needs is not among them. */
export function guard({ runtime, store, host, log, deploy, maxFaultShare, watchMs }: GuardOptions): () => void {
  const name = deploy.function;
  const watched = deploy.canary?.hash ?? (deploy.target.kind === "bundle" ? deploy.target.hash : undefined);
  const until = performance.now() + watchMs;
  const timer = setInterval(() => {
    const version = runtime.versions(name).find(({ loaded }) => watched?.startsWith(loaded.hash));
    if (!version || performance.now() > until) return clearInterval(timer);
    const { calls, faults } = version;
    if (faults < fewestFaults || faults / calls <= maxFaultShare) return;
    clearInterval(timer);
    const reason = `${faults} of its first ${calls} calls on ${host.name} failed, more than ${Math.round(maxFaultShare * 100)} %`;
    log.error(
      { function: name, deploy: deploy.id, version: version.loaded.hash, reason },
      "a new version is taken back",
    );
    takeBack(store, deploy, host, reason).catch((error: unknown) => {
      log.error({ err: error, function: name }, "a new version could not be taken back: do it by hand");
    });
  }, lookMs).unref();
  return () => clearInterval(timer);
}

/** Of all that see it fail, one does it: the others find that it is not the newest any more. */
async function takeBack(store: DeployStore, deploy: Deploy, host: FleetHost, reason: string): Promise<void> {
  const step = await stepBack(store, deploy, { by: host.name, reason });
  if (step) await store.begin(step, "live", deploy.id);
}
