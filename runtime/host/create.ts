/** Makes the host that triggers work with: of a whole runtime, or of one function that is run by hand. */
import { tmpdir } from "node:os";
import type { Broker } from "../broker.ts";
import type { Clock, Logger, Resources } from "../context.ts";
import type { RuntimeSettings } from "../house.ts";
import type { Tracer } from "../trace/span.ts";
import { callContexts, systemClock } from "./call.ts";
import type { AnsweredCall, Defaults, Host } from "./host.ts";
import type { Metrics } from "./metrics.ts";
import { TimeLimits } from "./time-limits.ts";

export const defaultLimits: Defaults = { concurrency: 1000, timeLimitMs: 30_000, bodyLimit: 2 ** 20 };

/** Settings of a host that runs functions by hand: tests, `fn list`. */
export const bareSettings: RuntimeSettings = {
  functions: ["*"],
  http: { port: 0 },
  production: false,
  defaults: defaultLimits,
  noticeMs: 0,
  drainMs: 5000,
};

export interface HostOptions {
  settings: RuntimeSettings;
  resources: Resources;
  log: Logger;
  clock?: Clock;
  isStopping?: () => boolean;
  tracer?: Tracer | undefined;
}

/** Makes what triggers work with. `settled` resolves once nothing runs in the background. */
export function createHost(options: HostOptions, metrics: Metrics): Host & { settled(): Promise<void> } {
  const { settings, resources, log } = options;
  const clock = options.clock ?? systemClock;
  let pending = 0;
  const waiting: (() => void)[] = [];
  const broker: Broker | undefined = settings.broker;
  const ended = () => {
    if (--pending === 0) for (const resolve of waiting.splice(0)) resolve();
  };
  const background = (work: Promise<unknown>) => {
    pending++;
    work.then(ended, (error: unknown) => {
      log.error({ err: error }, "background work failed");
      ended();
    });
  };
  return {
    resources,
    log,
    metrics,
    broker,
    timeLimits: new TimeLimits(),
    defaults: settings.defaults,
    corsOrigins: settings.http.corsOrigins ?? [],
    uploadFolder: settings.uploadFolder ?? tmpdir(),
    checkReplies: !settings.production,
    newContext: callContexts(resources, clock, background, options.isStopping, options.tracer),
    tracer: options.tracer,
    callerTags: (caller) => (caller === undefined ? {} : (settings.callerTags?.(caller) ?? {})),
    translate: (error) => settings.translate?.(error),
    onCall: settings.onCall && quietly(settings.onCall, log),
    claimTick: settings.claimTick ?? (async () => true),
    now: () => clock.now(),
    background,
    async settled() {
      if (pending > 0) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

/** Whatever goes wrong in telling of a call is no affair of its caller. */
function quietly(tell: (call: AnsweredCall) => void, log: Logger): (call: AnsweredCall) => void {
  return (call) => {
    try {
      tell(call);
    } catch (error) {
      log.error({ err: error, function: call.function }, "a call could not be told of");
    }
  };
}
