/** The function host: discovers, checks, mounts, serves, swaps, drains and stops. */
import { pino } from "pino";
import type { Clock, Logger, Resources } from "./context.ts";
import type { Kind } from "./function.ts";
import { bareSettings, createHost } from "./host/create.ts";
import { discover, discoverSelected } from "./host/discover.ts";
import type { Host } from "./host/host.ts";
import { load, type Bundled, type Fault } from "./host/load.ts";
import { Metrics } from "./host/metrics.ts";
import type { Loaded, Version } from "./host/slot.ts";
import { OperatorError, type RuntimeSettings } from "./house.ts";
import { httpTrigger } from "./triggers/http.ts";
import { queueTrigger } from "./triggers/queue.ts";
import { scheduleTrigger } from "./triggers/schedule.ts";
import { smtpTrigger } from "./triggers/smtp.ts";
import type { Trigger } from "./triggers/trigger.ts";
import { runtimePages } from "./web/pages.ts";
import type { HttpServer } from "./web/server.ts";

export interface RuntimeOptions {
  /** The project's root: the folder that holds `functions/`. */
  root: string;
  title: string;
  version: string;
  description?: string;
  settings: RuntimeSettings;
  resources: Resources;
  log: Logger;
  metrics?: Metrics;
  /** The selected functions, where they have been bundled ahead. */
  ahead?: Promise<Bundled>;
  clock?: Clock;
}

/** One row of `fn list`. */
export interface FunctionRow {
  function: string;
  trigger: Kind;
  where: string;
  access: string;
  limits: string;
  version: string;
}

/** What a reload did, by function name. */
export interface Reloaded {
  swapped: string[];
  mounted: string[];
  unmounted: string[];
  faults: Fault[];
}

export class FunctionFaults extends OperatorError {
  readonly faults: readonly Fault[];
  constructor(faults: readonly Fault[]) {
    super(faults.map(({ file, message }) => `${file}: ${message}`).join("\n"));
    this.name = "FunctionFaults";
    this.faults = faults;
  }
}

export type Runtime = Awaited<ReturnType<typeof createRuntime>>;

/**
 * Loads and checks the functions and mounts the HTTP ones, so that `fetch` works. `start` begins the rest.
 * Throws `FunctionFaults` with everything that is wrong, before anything is mounted.
 */
export async function createRuntime(options: RuntimeOptions) {
  const { root, settings, log } = options;
  const metrics = options.metrics ?? new Metrics();
  let state: "starting" | "ready" | "stopping" | "stopped" = "starting";
  // Loaded where it is used: nobody else pays for it.
  const exporter =
    settings.tracing &&
    (await import("./trace/export.ts")).openExporter({
      ...settings.tracing,
      version: options.version,
      registry: metrics.registry,
      log,
    });
  const host = createHost({ ...options, tracer: exporter, isStopping: () => state === "stopping" }, metrics);
  const http = httpTrigger(host);
  const triggers = triggersOf(host, http);
  const functions = new Map<string, Loaded>();
  /** Files whose newest content is not what runs: they are tried again at every reload. */
  const broken = new Set<string>();
  /** Trials of functions that are not mounted yet. */
  const whenStarted: (() => void)[] = [];

  const selected = () => discoverSelected(root, settings.functions);
  const check = (all: readonly Loaded[]) => checkAll(all, triggers);

  const { loaded, faults } = await load(root, await selected(), options.ahead);
  const all = [...faults, ...check(loaded)];
  if (all.length > 0) throw new FunctionFaults(all);
  for (const one of loaded) functions.set(one.name, one);
  for (const one of loaded) if (one.definition.kind === "http") await http.mount(one);
  runtimePages(http, {
    root,
    title: options.title,
    version: options.version,
    description: options.description ?? "",
    metrics,
    functions: () => [...functions.values()],
    isReady: () => state === "ready" && (settings.isReady?.() ?? true),
  });

  function faultsBeside(one: Loaded): Fault[] {
    const others = [...functions.values()].filter((other) => other.name !== one.name);
    return check([...others, one]).filter((fault) => fault.file === one.file);
  }

  async function mount(one: Loaded): Promise<void> {
    await triggers.get(one.definition.kind)?.mount(one);
    functions.set(one.name, one);
  }

  /** Mounts a version, in place of the one that runs if there is one. Returns what is wrong with it: then nothing has changed. */
  async function put(one: Loaded): Promise<Fault[]> {
    const faults = faultsBeside(one);
    if (faults.length > 0) return faults;
    const previous = functions.get(one.name);
    if (previous && previous.definition.kind !== one.definition.kind) await unmount(one.name);
    if (state === "starting" && one.definition.kind !== "http") functions.set(one.name, one);
    else await mount(one);
    return [];
  }

  async function unmount(name: string): Promise<void> {
    const one = functions.get(name);
    functions.delete(name);
    if (one) host.background(triggers.get(one.definition.kind)?.unmount(name) ?? Promise.resolve());
  }

  return {
    host,
    /** For a server: answers one request. */
    dispatch: http.dispatch,

    /** Runs an HTTP function without a port. */
    async fetch(request: Request): Promise<Response> {
      return http.fetch(request);
    },

    /** Begins consuming queues and keeping schedules; `/health/ready` says so from now on. */
    async start(): Promise<void> {
      for (const one of functions.values()) if (one.definition.kind !== "http") await mount(one);
      for (const begin of whenStarted.splice(0)) begin();
      state = "ready";
    },

    list: (): FunctionRow[] => [...functions.values()].map((one) => describe(one, triggers)),

    get(name: string): Loaded | undefined {
      return functions.get(name);
    },

    /**
     * Mounts a version, in place of the one that runs if there is one; what was tried is tried no more. Returns what is
     * wrong with it beside the other functions: then nothing has changed.
     */
    async replace(one: Loaded): Promise<Fault[]> {
      const faults = await put(one);
      if (faults.length === 0) triggers.get(one.definition.kind)?.endTrial(one.name);
      return faults;
    },

    /** What is wrong with a version beside the other functions. */
    faultsBeside,

    /** What is wrong with trying a version, beside the other functions and the one that runs. */
    faultsOfTrial(one: Loaded): Fault[] {
      const faults = faultsBeside(one);
      const reason = triggers.get(one.definition.kind)?.whyNotTried(one);
      return reason === undefined ? faults : [...faults, { file: one.file, message: reason }];
    },

    /** Gives a version a share of the calls, beside the one that runs. Returns what is wrong with it, as `replace` does. */
    try(one: Loaded, share: number): Fault[] {
      const faults = faultsBeside(one);
      if (faults.length > 0) return faults;
      const begin = () => triggers.get(one.definition.kind)?.try(one, share);
      if (state === "starting" && one.definition.kind !== "http") whenStarted.push(begin);
      else begin();
      return [];
    },

    endTrial(name: string): void {
      for (const trigger of triggers.values()) trigger.endTrial(name);
    },

    /** What runs of a function: the mounted version, and the one on trial. */
    versions: (name: string): Version[] => [...triggers.values()].flatMap((trigger) => trigger.versions(name)),

    unmount,

    /**
     * Brings the mounted functions in line with the files, given the paths (relative to the root) that changed.
     * What is faulty keeps its old version and is reported; the rest is swapped, mounted or unmounted.
     */
    async reload(changed: ReadonlySet<string>): Promise<Reloaded> {
      const found = await selected();
      const done: Reloaded = { swapped: [], mounted: [], unmounted: [], faults: [] };
      const present = new Set(found.map(({ name }) => name));
      for (const name of functions.keys()) {
        if (present.has(name)) continue;
        await unmount(name);
        done.unmounted.push(name);
      }
      const affected = found.filter(({ name, file }) => {
        const current = functions.get(name);
        return !current || changed.has(file) || broken.has(file) || current.inputs.some((input) => changed.has(input));
      });
      const fresh = await load(root, affected);
      done.faults.push(...fresh.faults);
      for (const { file } of affected) broken.add(file);
      for (const one of fresh.loaded) {
        const previous = functions.get(one.name);
        const wrong = previous?.hash === one.hash ? [] : await put(one);
        done.faults.push(...wrong);
        if (wrong.length > 0) continue;
        broken.delete(one.file);
        if (previous?.hash !== one.hash) (previous ? done.swapped : done.mounted).push(one.name);
      }
      return done;
    },

    /**
     * Stops in order: not ready, time for the proxy to notice, no new calls, drain up to the limit. Returns whether
     * everything ended in time; what did not has had its signal aborted. The caller then closes the resources.
     */
    async stop(server?: HttpServer): Promise<boolean> {
      if (state === "stopping" || state === "stopped") return true;
      state = "stopping";
      if (server) await new Promise((resolve) => setTimeout(resolve, settings.noticeMs));
      const drained = Promise.all([
        server?.stopAccepting(),
        ...[...triggers.values()].map((trigger) => trigger.drain()),
      ])
        // Last, for a call may leave work behind until its end.
        .then(() => host.settled())
        .then(() => true);
      const { promise: late, resolve: tooLate } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => {
        host.timeLimits.expireAll();
        // Aborted calls get a moment to notice before the sockets are cut.
        setTimeout(() => tooLate(false), 500);
      }, settings.drainMs);
      const inTime = await Promise.race([drained, late]);
      clearTimeout(timer);
      server?.cut();
      host.timeLimits.close();
      await exporter?.close();
      state = "stopped";
      if (!inTime) log.warn({ drain_ms: settings.drainMs }, "stopped before every call had ended");
      return inTime;
    },

    isReady: () => state === "ready",
  };
}

/** Loads the functions and describes them, without resources beyond the configuration; faults come beside. */
export async function listFunctions(
  root: string,
  resources: Resources,
): Promise<{ rows: FunctionRow[]; faults: readonly Fault[] }> {
  const log = pino({ level: "silent" });
  const host = createHost({ resources, log, settings: bareSettings }, new Metrics());
  const triggers = triggersOf(host, httpTrigger(host));
  const { loaded, faults } = await load(root, await discover(root));
  host.timeLimits.close();
  return { rows: loaded.map((one) => describe(one, triggers)), faults };
}

function triggersOf(host: Host, http: Trigger): ReadonlyMap<Kind, Trigger> {
  const all = [http, queueTrigger(host), scheduleTrigger(host), smtpTrigger(host)];
  return new Map(all.map((trigger) => [trigger.kind, trigger]));
}

function describe({ name, definition, hash }: Loaded, triggers: ReadonlyMap<Kind, Trigger>): FunctionRow {
  const described = triggers.get(definition.kind)?.describe(definition) ?? { where: "", access: "", limits: "" };
  return { function: name, trigger: definition.kind, ...described, version: hash };
}

function checkAll(all: readonly Loaded[], triggers: ReadonlyMap<Kind, Trigger>): Fault[] {
  const faults: Fault[] = [];
  for (const kind of ["http", "queue", "schedule", "smtp"] as const) {
    const ofKind = all.filter(({ definition }) => definition.kind === kind);
    faults.push(...(triggers.get(kind)?.check(ofKind) ?? []));
  }
  return faults;
}
