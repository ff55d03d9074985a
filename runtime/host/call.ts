/** The context of one call: the resources, plus what is made only when a handler asks for it. */
import { randomUUID } from "node:crypto";
import type { Call, Clock, Context, Logger, Resources, Step, StepOptions, Tags } from "../context.ts";
import { traceFrom, type Place, type SpanKind, type Tracer } from "../trace/span.ts";

export const systemClock: Clock = { now: () => new Date(), uuid: () => randomUUID() };

/** What a context is made of. Its methods are called only when the handler asks for what they give. */
export interface CallSource {
  readonly log: Logger;
  /** Names for the log lines of this call. */
  bindings(): Tags;
  traceparent(): string | undefined;
  /** The caller's own signal: aborted when a client has gone. */
  callerSignal(): AbortSignal | undefined;
}

/** The source of a context outside of a request. */
export function callSource(log: Logger, bindings: Tags, traceparent?: string): CallSource {
  return { log, bindings: () => bindings, traceparent: () => traceparent, callerSignal: () => undefined };
}

/** A context that can be aborted by the host. */
export interface HostCall extends Call {
  abort(reason: Error): void;
  /** Tells of the call when it is over, where traces are kept. */
  ended(span: EndedCall): void;
}

export interface EndedCall {
  name: string;
  kind: SpanKind;
  /** As `performance.now()` counts. */
  startedAt: number;
  tags: Tags;
  failure?: string | undefined;
  /** Only when something has happened in it: a step, a word on what it is about, a failure. */
  unlessIdle?: boolean;
}

/** Where no traces are kept. */
const untold: Step = { tag() {}, fail() {} };

/**
 * Returns the function that makes contexts. A context inherits from `resources`, and makes its logger, signal and
 * trace at first use: most calls need none of them, and together they cost more than routing does.
 */
export function callContexts(
  resources: Resources,
  clock: Clock,
  background: (work: Promise<unknown>) => void,
  isStopping: () => boolean = () => false,
  tracer?: Tracer,
): (source: CallSource) => HostCall & Context {
  class CallContext implements HostCall {
    readonly #source: CallSource;
    #log: Logger | undefined;
    #trace: Place | undefined;
    #tags: Tags | undefined;
    #isBusy = false;
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
      return (this.#log ??= this.#source.log.child({
        ...this.#source.bindings(),
        ...this.#tags,
        trace_id: this.trace.traceId,
      }));
    }

    get isStopping(): boolean {
      return isStopping();
    }

    get trace(): Place {
      return (this.#trace ??= traceFrom(this.#source.traceparent(), tracer?.samples));
    }

    tag(tags: Tags): void {
      this.#tags = this.#tags ? { ...this.#tags, ...tags } : tags;
      this.#log = undefined;
    }

    step<T>(name: string, { kind, tags, of }: StepOptions, work: (step: Step) => Promise<T>): Promise<T> {
      if (!tracer) return work(untold);
      this.#isBusy = true;
      const place = traceFrom(of ?? this.trace.traceparent);
      return place.sampled ? told(tracer, { place, name, kind: kind ?? "internal", tags }, work) : work(untold);
    }

    newTrace(name: string, tags: Tags): string {
      const place = traceFrom(undefined, tracer?.samples);
      this.#isBusy = true;
      if (tracer && place.sampled) {
        const now = performance.now();
        const link = this.trace.traceparent;
        const { traceId, spanId, parentId } = place;
        const at = { startedAt: now, endedAt: now };
        tracer.record({ traceId, spanId, parentId, name, kind: "internal", ...at, tags, failure: undefined, link });
      }
      return place.traceparent;
    }

    ended({ name, kind, startedAt, tags, failure, unlessIdle }: EndedCall): void {
      if (!tracer || !this.trace.sampled) return;
      if (unlessIdle && !this.#isBusy && !this.#tags && failure === undefined) return;
      const { traceId, spanId, parentId } = this.trace;
      const endedAt = performance.now();
      tracer.record({
        traceId,
        spanId,
        parentId,
        name,
        kind,
        startedAt,
        endedAt,
        tags: { ...tags, ...this.#tags },
        failure,
      });
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

interface Telling {
  place: Place;
  name: string;
  kind: SpanKind;
  tags: Tags | undefined;
}

/** Does a step, and tells of it when it is over, however it ends. */
async function told<T>(tracer: Tracer, telling: Telling, work: (step: Step) => Promise<T>): Promise<T> {
  const { place, name, kind } = telling;
  const startedAt = performance.now();
  let tags = telling.tags ?? {};
  let failure: string | undefined;
  const step: Step = {
    tag: (more) => void (tags = { ...tags, ...more }),
    fail: (code) => void (failure = code),
  };
  try {
    return await work(step);
  } catch (error) {
    // Its message may have anything in it.
    failure ??= error instanceof Error ? error.name : "error";
    throw error;
  } finally {
    const { traceId, spanId, parentId } = place;
    tracer.record({ traceId, spanId, parentId, name, kind, startedAt, endedAt: performance.now(), tags, failure });
  }
}
