/** Spans as OTLP's JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
import type { Tags } from "../context.ts";
import { kinds, traceFrom, type Span } from "./span.ts";

/** What makes the spans: `service.name` and the like. */
export type Maker = Readonly<Record<string, string | number>>;

export function otlpRequest(spans: readonly Span[], maker: Maker): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: attributes(maker) },
        scopeSpans: [{ scope: { name: "runtime" }, spans: spans.map(otlpSpan) }],
      },
    ],
  };
}

function otlpSpan(span: Span): object {
  const { traceId, spanId, parentId, name, kind, startedAt, endedAt, tags, failure, link } = span;
  return {
    traceId,
    spanId,
    ...(parentId !== undefined && { parentSpanId: parentId }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(startedAt),
    endTimeUnixNano: nanoseconds(endedAt),
    attributes: attributes(tags),
    ...(failure !== undefined && { status: { code: 2, message: failure } }),
    ...(link !== undefined && { links: links(link) }),
  };
}

function links(traceparent: string): object[] {
  const { traceId, parentId } = traceFrom(traceparent);
  return parentId === undefined ? [] : [{ traceId, spanId: parentId }];
}

function attributes(tags: Tags): object[] {
  return Object.entries(tags)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({
      key,
      value: typeof value === "number" && Number.isInteger(value) ? { intValue: String(value) } : numberOrText(value),
    }));
}

function numberOrText(value: string | number | undefined): object {
  return typeof value === "number" ? { doubleValue: value } : { stringValue: value };
}

/** Since 1970, to the microsecond: more digits than a double has. */
function nanoseconds(at: number): string {
  return `${Math.round((performance.timeOrigin + at) * 1000)}000`;
}
