/**
 * Sends spans to a collector by OTLP over HTTP, in JSON. Written here because OpenTelemetry's own packages take 24 MB of
 * a container's 256 (measured) before the first span; this takes 2, and 4 more with its buffer full.
 *
 * The collector may be away for as long as it likes: spans wait in a bounded buffer, the oldest go first, and are counted.
 */
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { Counter, type Registry } from "prom-client";
import type { Logger } from "../context.ts";
import { otlpRequest } from "./otlp.ts";
import type { Span, Tracer } from "./span.ts";

export interface TracingSettings {
  /** Base address of the collector: `/v1/traces` is added. */
  endpoint: string;
  /** Sent along: for signing in there. */
  headers: Readonly<Record<string, string>>;
  /** Name of this service there. */
  service: string;
  /** How many of a hundred traces that begin here are kept. */
  percent: number;
}

export interface ExporterOptions extends TracingSettings {
  version: string;
  registry: Registry;
  log: Logger;
  /** Most spans that wait. Default 2048: some 4 MB. */
  capacity?: number;
  /** Longest time that a span waits, in ms. Default 1,000. */
  everyMs?: number;
}

export interface Exporter extends Tracer {
  /** Sends what is left, as far as that is done in a second. */
  close(): Promise<void>;
}

/** Spans of one request. */
const batchSize = 256;
const timeoutMs = 5000;
/** After a failure: doubled each time. */
const firstPauseMs = 1000;
const longestPauseMs = 30_000;
const closingMs = 1000;

export function openExporter(options: ExporterOptions): Exporter {
  const { capacity = 2048, everyMs = 1000, log, percent } = options;
  const address = `${options.endpoint.replace(/\/$/, "")}/v1/traces`;
  const headers = { ...options.headers, "content-type": "application/json" };
  const maker = {
    "service.name": options.service,
    "service.version": options.version,
    "service.instance.id": `${hostname()}:${process.pid}`,
  };
  const registers = [options.registry];
  const exported = new Counter({
    name: "trace_spans_exported_total",
    help: "Spans that the collector took",
    registers,
  });
  const dropped = new Counter({ name: "trace_spans_dropped_total", help: "Spans that are lost", registers });
  const closing = new AbortController();
  let waiting: Span[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let isAway = false;
  let pauseMs = firstPauseMs;

  function schedule(): void {
    if (sending || waiting.length === 0 || closing.signal.aborted) return;
    if (waiting.length >= batchSize) start();
    else timer ??= setTimeout(start, everyMs).unref();
  }

  function start(): void {
    clearTimeout(timer);
    timer = undefined;
    sending = sendAll().finally(() => {
      sending = undefined;
      schedule();
    });
  }

  /** Until less than a batch is left, or the collector is away: then after a pause. */
  async function sendAll(): Promise<void> {
    do {
      const batch = waiting.splice(0, batchSize);
      const outcome = await send(batch);
      if (outcome === "taken") {
        exported.inc(batch.length);
        went(true);
      } else if (outcome === "refused") {
        dropped.inc(batch.length);
      } else {
        waiting = [...batch, ...waiting];
        makeRoom();
        if (closing.signal.aborted) return;
        await pause(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => {}); // Closing: one more try.
        pauseMs = Math.min(2 * pauseMs, longestPauseMs);
      }
    } while (waiting.length >= batchSize || (closing.signal.aborted && waiting.length > 0));
  }

  async function send(batch: readonly Span[]): Promise<"taken" | "refused" | "away"> {
    try {
      const body = JSON.stringify(otlpRequest(batch, maker));
      const answer = await fetch(address, { method: "POST", headers, body, signal: AbortSignal.timeout(timeoutMs) });
      await answer.arrayBuffer();
      if (answer.ok) return "taken";
      // OTLP, "Failures": these pass, others never do.
      if ([429, 502, 503, 504].includes(answer.status)) return away(`it answers with ${answer.status}`);
      log.warn({ status: answer.status, spans: batch.length }, "the collector of traces refuses spans");
      return "refused";
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      return away(cause instanceof Error && "code" in cause ? String(cause.code) : "it does not answer");
    }
  }

  function away(reason: string): "away" {
    if (!isAway) log.warn({ reason }, "the collector of traces is away: spans wait, and the oldest are dropped");
    isAway = true;
    return "away";
  }

  function went(well: boolean): void {
    if (well && isAway) log.info("the collector of traces is back");
    isAway = false;
    pauseMs = firstPauseMs;
  }

  function makeRoom(): void {
    const tooMany = waiting.length - capacity;
    if (tooMany > 0) dropped.inc(waiting.splice(0, tooMany).length);
  }

  return {
    record(span) {
      waiting.push(span);
      // Many at once: moving the rest up for each would cost more than the span.
      if (waiting.length > capacity + batchSize) makeRoom();
      schedule();
    },
    samples: () => percent >= 100 || 100 * Math.random() < percent,
    async close() {
      closing.abort();
      clearTimeout(timer);
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const limit = setTimeout(resolve, closingMs);
      await Promise.race([late, (sending ?? Promise.resolve()).then(sendAll)]);
      clearTimeout(limit);
      dropped.inc(waiting.splice(0).length);
    },
  };
}
