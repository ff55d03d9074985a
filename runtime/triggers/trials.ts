/** Trying a version: it gets a share of the calls beside the one that is mounted. The same for every kind of trigger. */
import type { AnyFunction } from "../function.ts";
import type { Host } from "../host/host.ts";
import { Version, type Loaded, type Slot } from "../host/slot.ts";
import { OperatorError } from "../house.ts";
import type { Trigger } from "./trigger.ts";

export interface Trying<F extends AnyFunction, Compiled> {
  slot(name: string): Slot<F, Compiled> | undefined;
  /** Whether it is a function of this trigger. */
  is(loaded: Loaded): loaded is Loaded<F>;
  compile(definition: F): Compiled;
  /** How calls come to a function: its address, its queue, its ports. What is tried must be called in the same way. */
  way(definition: F): string;
}

export function trials<F extends AnyFunction, Compiled>(
  host: Host,
  { slot, is, compile, way }: Trying<F, Compiled>,
): Pick<Trigger, "whyNotTried" | "try" | "endTrial" | "versions"> {
  const whyNotTried = (loaded: Loaded): string | undefined => {
    const mounted = slot(loaded.name);
    if (!mounted || !is(loaded)) return `no ${loaded.definition.kind} function ${loaded.name} runs to try it beside`;
    const [before, after] = [way(mounted.current.loaded.definition), way(loaded.definition)];
    return before === after
      ? undefined
      : `it cannot be tried beside the one that runs: that is ${before}, this ${after}`;
  };
  return {
    whyNotTried,
    try(loaded, share) {
      const mounted = slot(loaded.name);
      const reason = whyNotTried(loaded);
      if (reason !== undefined || !mounted || !is(loaded)) throw new OperatorError(reason ?? "it cannot be tried");
      host.background(mounted.try(new Version(loaded, compile(loaded.definition)), share));
    },
    endTrial(name) {
      const mounted = slot(name);
      if (mounted) host.background(mounted.endTrial());
    },
    versions(name) {
      const mounted = slot(name);
      return mounted ? [mounted.current, ...(mounted.trial ? [mounted.trial] : [])] : [];
    },
  };
}
