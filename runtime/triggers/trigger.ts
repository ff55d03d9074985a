/** What every kind of trigger offers the host. A new kind of trigger is one new file that implements this. */
import type { AnyFunction, Kind } from "../function.ts";
import type { Fault } from "../host/load.ts";
import type { Loaded, Version } from "../host/slot.ts";

export interface Trigger {
  readonly kind: Kind;
  /** What is wrong with these functions taken together (all of this kind), without mounting any. */
  check(functions: readonly Loaded[]): Fault[];
  /** Mounts a new function, or swaps a mounted one. Resolves once new calls run this version; the old one drains on. */
  mount(loaded: Loaded): Promise<void>;
  /** Why a version cannot be tried: none is mounted, or calls would come to this one in another way. */
  whyNotTried(loaded: Loaded): string | undefined;
  /**
   * Gives a version this share of the calls (more than 0, less than 1) beside the mounted one, in place of any that was
   * tried before. Throws an `OperatorError` when it cannot be tried.
   */
  try(loaded: Loaded, share: number): void;
  /** All calls go to the mounted version again. */
  endTrial(name: string): void;
  /** What runs of a function: the mounted version, and the one that is tried. */
  versions(name: string): readonly Version[];
  /** Takes a function away. Resolves once its last call has ended. */
  unmount(name: string): Promise<void>;
  /** Takes nothing new from now on; resolves when every call has ended. */
  drain(): Promise<void>;
  /** Rows for `fn list`: where a function is mounted, and who may call it. */
  describe(definition: AnyFunction): { where: string; access: string; limits: string };
}
