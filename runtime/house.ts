/** What `runtime.config.ts` exports: how this house reads its configuration, what it opens, and how it is run. */
import type { CommandDef } from "citty";
import type { Broker } from "./broker.ts";
import type { DeployStore } from "./deploy/store.ts";
import type { Context, Logger, Resources, Tags } from "./context.ts";
import type { AnsweredCall, Defaults } from "./host/host.ts";
import type { Metrics } from "./host/metrics.ts";
import type { TracingSettings } from "./trace/export.ts";
import type { Problem } from "./problem.ts";

/** Handed to `open`: whatever is opened is given an owner at once, so that a failure half way closes what is open. */
export interface Opening {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** `serve` runs the system; `tool` is a command line beside it, or in its place for a moment. */
  readonly purpose: "serve" | "tool";
  /** Takes charge of closing a resource. What was opened last is closed first. */
  own<T extends { close(): Promise<void> }>(resource: T): T;
}

/** How the runtime is to run, once configuration is read and resources are open. */
export interface RuntimeSettings {
  /** Globs of function names, as in `FUNCTIONS`. */
  functions: readonly string[];
  http: {
    port: number;
    host?: string;
    /** Origins whose pages may call the functions, exactly as browsers send them. Without it, none may. */
    corsOrigins?: readonly string[];
    /** Whether an address is that of a proxy whose X-Forwarded-For is believed. Without it, none is. */
    trustsProxy?: (address: string) => boolean;
  };
  /** Strict and quiet: no reply checks, no restart hints, JSON logs. */
  production: boolean;
  defaults: Defaults;
  /** Where files that come with forms wait for the end of their call. Default: the system's folder for such. */
  uploadFolder?: string;
  broker?: Broker;
  /** Whether this process is the one to run this tick. Without it, every process runs every tick. */
  claimTick?: (name: string, at: Date) => Promise<boolean>;
  /** Names what a caller should be told of an error that is not a `Problem`. */
  translate?: (error: unknown) => Problem | undefined;
  /** Told of every call of an HTTP function, after its answer: for a log of who called what. Must be quick. */
  onCall?: (call: AnsweredCall) => void;
  /** What the fleet runs, where functions can be deployed one by one; and when a new version is taken back by itself. */
  deploys?: {
    store: DeployStore;
    /** Above this share of calls that fail by a fault of the code. */
    maxFaultShare: number;
    /** For how long after it came, in milliseconds. */
    watchMs: number;
  };
  /** What logs and spans tell of who calls: an id. */
  callerTags?: (caller: unknown) => Tags;
  /** Where traces are sent, if anywhere. */
  tracing?: TracingSettings | undefined;
  /** Asked by `/health/ready`, beside the runtime's own state. */
  isReady?: () => boolean;
  /** Milliseconds between "not ready" and closing the door, for a proxy to notice. */
  noticeMs: number;
  /** Milliseconds that calls in progress may take to end. */
  drainMs: number;
}

export interface House<Config = unknown, R extends Resources = Resources> {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  /** Reads and checks the environment. Throws `ConfigFaults` with all that is wrong. */
  readConfig(env: Readonly<Record<string, string | undefined>>): Config;
  /** Level of the log, and whether to print it for people. */
  logging(config: Config): { level: string; pretty: boolean };
  /** Which functions are run, for who prepares them while resources open. */
  functions?(config: Config): readonly string[];
  open(config: Config, opening: Opening): Promise<R>;
  settings(resources: R): RuntimeSettings;
  /** Brings the stores up to date, for `fn migrate`. Returns what was applied. */
  migrate(config: Config, opening: Opening): Promise<readonly string[]>;
  /** Lines for the banner of `fn start` and `fn dev`: label and text. */
  welcome?(ctx: Context, url: string): Promise<readonly (readonly [string, string])[]>;
  /** Headers that `fn invoke` sends unless told otherwise, so that a developer need not look for a token. */
  invokeHeaders?(resources: R): Promise<Readonly<Record<string, string>>>;
  /** Further commands of `fn`, each loaded when it is asked for. */
  commands?(tools: HouseTools): Record<string, () => Promise<CommandDef>>;
}

/** What a house's own commands work with. */
export interface HouseTools {
  /** Opens the resources as a tool, runs, and closes them again, also when `run` throws. */
  withContext<T>(run: (ctx: Context) => Promise<T>): Promise<T>;
  /** Aligned columns for a terminal, under a heading line. */
  table<Row extends object>(rows: readonly Row[], columns: readonly (keyof Row & string)[]): string;
}

/** Everything wrong with the configuration, each by the name of its variable. Ends the process with exit code 78. */
export class ConfigFaults extends Error {
  readonly faults: readonly { readonly variable: string; readonly message: string }[];
  constructor(faults: readonly { variable: string; message: string }[]) {
    super(faults.map(({ variable, message }) => `${variable} ${message}`).join("\n"));
    this.name = "ConfigFaults";
    this.faults = faults;
  }
}

/** A fault that an operator can mend, told in one sentence without a stack. Ends the process with its exit code, 1 unless told. */
export class OperatorError extends Error {
  override name = "OperatorError";
  readonly exitCode: number;
  constructor(message: string, { exitCode = 1, cause }: { exitCode?: number; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

/** Declares the house; only its types matter here. */
export function defineHouse<Config, R extends Resources>(house: House<Config, R>): House<Config, R> {
  return house;
}
