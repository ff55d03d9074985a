/** Spans: what a call, or a step of one, did and when (OpenTelemetry's model), and who belongs to it (W3C Trace Context). */
import { randomUUID } from "node:crypto";
import type { Tags, Trace } from "../context.ts";

/** OpenTelemetry's kinds, with their numbers. */
export const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
export type SpanKind = keyof typeof kinds;

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** As `performance.now()` counts. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly tags: Tags;
  /** What went wrong, in a word. */
  readonly failure: string | undefined;
  /** Another trace that has to do with this one: the `traceparent` of a span there. */
  readonly link?: string | undefined;
}

/** Takes spans. Nothing that is wrong with it is any affair of who gives them. */
export interface Tracer {
  record(span: Span): void;
  /** Whether a trace that begins here is one of those that are kept. */
  samples(): boolean;
}

/** A call's place in its trace. */
export interface Place extends Trace {
  readonly parentId: string | undefined;
  /** Whether its spans are wanted. */
  readonly sampled: boolean;
}

const traceparentPattern = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;

/** 32 random hex digits. From a UUID, because Node makes those from entropy that it fetched in advance. */
function randomHex(): string {
  return randomUUID().replaceAll("-", "");
}

/**
 * Continues the trace of a `traceparent` header value, with its caller's word on whether it is kept; or starts one where
 * the value is missing or malformed.
 */
export function traceFrom(traceparent: string | undefined, samples: () => boolean = () => true): Place {
  const [, given, parentId, flags = ""] = traceparentPattern.exec(traceparent ?? "") ?? [];
  const sampled = given === undefined ? samples() : (Number.parseInt(flags, 16) & 1) === 1;
  const traceId = given ?? randomHex();
  const spanId = randomHex().slice(0, 16);
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`, parentId, sampled };
}
