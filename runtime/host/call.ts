/** The context of one call: the resources, plus what is made only when a handler asks for it. */
import { randomUUID } from "node:crypto";
import type { Call, Clock, Context, Logger, Resources, Trace } from "../context.ts";

export const systemClock: Clock = { now: () => new Date(), uuid: () => randomUUID() };

const traceparentPattern = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}$/;

/** 32 random hex digits. From a UUID, because Node makes those from entropy that it fetched in advance. */
function randomHex(): string {
  return randomUUID().replaceAll("-", "");
}

/** Continues the trace of a `traceparent` header value, or starts one where it is missing or malformed. */
export function traceFrom(traceparent: string | undefined): Trace {
  const traceId = traceparentPattern.exec(traceparent ?? "")?.[1] ?? randomHex();
  const spanId = randomHex().slice(0, 16);
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** What a context is made of. Its methods are called only when the handler asks for what they give. */
export interface CallSource {
  readonly log: Logger;
  /** Names for the log lines of this call. */
  bindings(): Record<string, unknown>;
  traceparent(): string | undefined;
  /** The caller's own signal: aborted when a client has gone. */
  callerSignal(): AbortSignal | undefined;
}

/** The source of a context outside of a request. */
export function callSource(log: Logger, bindings: Record<string, unknown>, traceparent?: string): CallSource {
  return { log, bindings: () => bindings, traceparent: () => traceparent, callerSignal: () => undefined };
}

/** A context that can be aborted by the host. */
export interface HostCall extends Call {
  abort(reason: Error): void;
}

/**
 * Returns the function that makes contexts. A context inherits from `resources`, and makes its logger, signal and
 * trace at first use: most calls need none of them, and together they cost more than routing does.
 */
export function callContexts(
  resources: Resources,
  clock: Clock,
  background: (work: Promise<unknown>) => void,
  isStopping: () => boolean = () => false,
): (source: CallSource) => HostCall & Context {
  class CallContext implements HostCall {
    readonly #source: CallSource;
    #log: Logger | undefined;
    #trace: Trace | undefined;
    #controller: AbortController | undefined;
    #signal: AbortSignal | undefined;
    #reason: Error | undefined;

    constructor(source: CallSource) {
      this.#source = source;
    }

    get clock(): Clock {
      return clock;
    }

    get log(): Logger {
      return (this.#log ??= this.#source.log.child({ ...this.#source.bindings(), trace_id: this.trace.traceId }));
    }

    get isStopping(): boolean {
      return isStopping();
    }

    get trace(): Trace {
      return (this.#trace ??= traceFrom(this.#source.traceparent()));
    }

    get signal(): AbortSignal {
      if (this.#signal) return this.#signal;
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
      const outer = this.#source.callerSignal();
      this.#signal = outer ? AbortSignal.any([this.#controller.signal, outer]) : this.#controller.signal;
      return this.#signal;
    }

    defer(work: Promise<unknown>): void {
      background(work);
    }

    abort(reason: Error): void {
      this.#reason ??= reason;
      this.#controller?.abort(reason);
    }
  }
  Object.setPrototypeOf(CallContext.prototype, resources);
  // The prototype just set is what makes a call a context.
  return (source) => new CallContext(source) as unknown as HostCall & Context;
}
