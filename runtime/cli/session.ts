/** What every command starts from: the root, the house, its configuration, and its opened resources. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Context, Logger, Resources } from "../context.ts";
import { callContexts, callSource, systemClock } from "../host/call.ts";
import { Metrics } from "../host/metrics.ts";
import { nearestRoot } from "../host/load.ts";
import { OperatorError, type House, type HouseTools, type Opening } from "../house.ts";
import { createLog } from "./log.ts";
import { table } from "./table.ts";

/** The house as the commands see it: they hand its own values back to it, and look at none of them. */
export type AnyHouse = House<unknown, Resources>;

export interface Session {
  root: string;
  house: AnyHouse;
}

/** Finds the project around the working folder and loads its `runtime.config.ts` and `.env`. */
export async function openSession(folder: string): Promise<Session> {
  const root = nearestRoot(folder, existsSync);
  if (!root) throw new OperatorError("No runtime.config.ts here or above. Run fn inside a project.");
  const envFile = join(root, ".env");
  if (existsSync(envFile)) process.loadEnvFile(envFile);
  const module: { default?: AnyHouse } = await import(pathToFileURL(join(root, "runtime.config.ts")).href);
  if (!module.default)
    throw new OperatorError("runtime.config.ts must export the house by default: defineHouse({ … })");
  return { root, house: module.default };
}

/** Milliseconds that closing may take: whatever hangs, a process that is told to stop ends. */
const longestClose = 15_000;

export interface Opened {
  config: unknown;
  resources: Resources;
  /** A context outside of any function, for the commands themselves. */
  ctx: Context;
  log: Logger;
  metrics: Metrics;
  /** Closes the resources, last opened first. */
  close(): Promise<void>;
}

/**
 * Reads the configuration and opens the resources. What was opened is closed again when a later part fails. `closeMs`: the
 * milliseconds that closing may take.
 */
export async function openHouse(
  house: AnyHouse,
  purpose: Opening["purpose"],
  config = house.readConfig(process.env),
  { closeMs = longestClose } = {},
): Promise<Opened> {
  const log = houseLog(house, config, purpose);
  const metrics = new Metrics();
  const owned: { close(): Promise<void> }[] = [];
  const pending = new Set<Promise<unknown>>();
  const closeAll = async () => {
    while (pending.size > 0) await Promise.all(pending);
    for (const resource of owned.splice(0).toReversed()) {
      await resource.close().catch((error: unknown) => log.error({ err: error }, "a resource did not close"));
    }
  };
  const close = async () => {
    const late = pause(closeMs, true, { ref: false });
    if (await Promise.race([closeAll(), late])) log.error({ close_ms: closeMs }, "not all resources closed in time");
  };
  const own = <T extends { close(): Promise<void> }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  try {
    const resources = await house.open(config, { log, metrics, purpose, own });
    const inBackground = (work: Promise<unknown>) => {
      const done = work.catch((err: unknown) => log.error({ err }, "failed")).finally(() => pending.delete(done));
      pending.add(done);
    };
    const ctx = callContexts(resources, systemClock, inBackground)(callSource(log, {}));
    return { config, resources, ctx, log, metrics, close };
  } catch (error) {
    await close();
    log.debug({ err: error }, "the resources could not be opened");
    throw error instanceof Error ? new OperatorError(error.message, { cause: error }) : error;
  }
}

/** Opens the resources as a tool, runs, and closes them again. */
export async function withHouse<T>(house: AnyHouse, run: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = await openHouse(house, "tool");
  try {
    return await run(opened);
  } finally {
    await opened.close();
  }
}

/** For a house's own commands. */
export function houseTools(house: AnyHouse): HouseTools {
  return { withContext: (run) => withHouse(house, ({ ctx }) => run(ctx)), table };
}

/** On stdout; a tool's goes to stderr, and only when something is wrong. */
export function houseLog(house: AnyHouse, config: unknown, purpose: Opening["purpose"]): Logger {
  const { level, pretty } = house.logging(config);
  const tool = purpose === "tool";
  return createLog({ level: tool ? "warn" : level, pretty, to: tool ? "stderr" : "stdout" });
}
