/** What the fleet agrees on: which version of which function runs. Kept by the house; the runtime only asks. */

/** A function as it travels: see `Bundle` in `host/load.ts`. */
export interface StoredBundle {
  readonly function: string;
  /** SHA-256 of the code, in hex. */
  readonly hash: string;
  readonly code: string;
  readonly map: string;
  /** Of what it was built beside: see `platformOf`. */
  readonly platform: string;
  readonly packages: readonly string[];
}

/** What calls of a function run on: a bundle by its hash, what lies in the image, or nothing. */
export type Target = { readonly kind: "bundle"; readonly hash: string } | { readonly kind: "image" | "removed" };

export type Action = "deploy" | "canary" | "promote" | "rollback" | "remove";

/** A step that somebody takes with a function, and what is to run after it. */
export interface Step {
  readonly function: string;
  readonly action: Action;
  readonly target: Target;
  /** What gets a share of the calls (more than 0, less than 1) beside it. */
  readonly canary: { readonly hash: string; readonly share: number } | undefined;
  /** The deploy that a rollback of this one goes back to. */
  readonly previous: string | undefined;
  readonly by: string;
  readonly reason: string | undefined;
}

export interface Deploy extends Step {
  /** Grows with time. */
  readonly id: string;
  readonly state: "preparing" | "live" | "abandoned";
  readonly at: Date;
  readonly liveAt: Date | undefined;
}

export interface Report {
  readonly host: string;
  readonly outcome: "ready" | "running" | "refused";
  readonly reason: string | undefined;
}

/** A process of the fleet. */
export interface FleetHost {
  readonly id: string;
  readonly name: string;
  readonly functions: readonly string[];
  readonly platform: string;
}

export interface DeployStore {
  /** The newest step of each function that is live, and any that is being prepared after it. */
  current(): Promise<Deploy[]>;
  /** A function's steps, or everyone's, newest first. */
  history(name: string | undefined, limit: number): Promise<Deploy[]>;
  find(id: string): Promise<Deploy | undefined>;
  bundle(name: string, hash: string): Promise<StoredBundle | undefined>;
  /** Keeps a bundle; one that is kept already stays. */
  keep(bundle: StoredBundle): Promise<void>;
  /** Writes down a step. Returns its id. With `after`, only while that is the newest that is live: else undefined. */
  begin(step: Step, state: "preparing" | "live", after?: string): Promise<string | undefined>;
  /** Ends the preparing of a step. Returns false when it was not being prepared. */
  decide(id: string, state: "live" | "abandoned"): Promise<boolean>;
  report(id: string, host: FleetHost, outcome: Report["outcome"], reason?: string): Promise<void>;
  reports(id: string): Promise<Report[]>;
  /** Says that a process is there; it is forgotten when it does not say so again within `hostSeconds`. */
  hello(host: FleetHost): Promise<void>;
  goodbye(host: FleetHost): Promise<void>;
  /** Those that were seen within so many seconds. */
  hosts(seconds: number): Promise<FleetHost[]>;
  /**
   * Calls back soon after any step has changed, and when that may have been missed. May call more often than that.
   * Returns what ends it.
   */
  watch(changed: () => void): Promise<() => void>;
  /** Runs while nobody else does so for this function. Returns undefined, and does not run, when somebody does. */
  alone<T>(name: string, run: () => Promise<T>): Promise<{ result: T } | undefined>;
}

/** After this long without a word, a process counts as ended. It says so three times in that time. */
export const hostSeconds = 15;
