/** Stands in for a collector of traces: takes OTLP over HTTP in JSON, checks its shape, and remembers every word. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";

const hex = (digits: number) => Type.String({ pattern: `^[0-9a-f]{${digits}}$` });
const Attribute = Type.Object({
  key: Type.String(),
  value: Type.Object({
    stringValue: Type.Optional(Type.String()),
    intValue: Type.Optional(Type.String({ pattern: "^-?[0-9]+$" })),
    doubleValue: Type.Optional(Type.Number()),
  }),
});
const SpanJson = Type.Object({
  traceId: hex(32),
  spanId: hex(16),
  parentSpanId: Type.Optional(hex(16)),
  name: Type.String({ minLength: 1 }),
  kind: Type.Integer({ minimum: 1, maximum: 5 }),
  startTimeUnixNano: Type.String({ pattern: "^[0-9]{19}$" }),
  endTimeUnixNano: Type.String({ pattern: "^[0-9]{19}$" }),
  attributes: Type.Array(Attribute),
  status: Type.Optional(Type.Object({ code: Type.Literal(2), message: Type.String() })),
  links: Type.Optional(Type.Array(Type.Object({ traceId: hex(32), spanId: hex(16) }))),
});
const Request = Type.Object({
  resourceSpans: Type.Array(
    Type.Object({
      resource: Type.Object({ attributes: Type.Array(Attribute) }),
      scopeSpans: Type.Array(Type.Object({ scope: Type.Object({ name: Type.String() }), spans: Type.Array(SpanJson) })),
    }),
  ),
});

export interface TakenSpan extends Omit<Static<typeof SpanJson>, "attributes"> {
  attributes: Record<string, string>;
}

export interface Collector {
  readonly url: string;
  /** In the order of their beginning. */
  spans(traceId: string): TakenSpan[];
  /** All that came, as it came: headers and bodies. */
  readonly words: readonly string[];
  /** Answers with this status from now on, and takes nothing; with undefined it takes spans again. */
  fail(status: number | undefined): void;
  close(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const taken: TakenSpan[] = [];
  const words: string[] = [];
  let failing: number | undefined;
  const server = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      words.push(JSON.stringify(request.headers), body);
      const known = request.method === "POST" && request.url === "/v1/traces";
      response.statusCode = failing ?? (known ? 200 : 404);
      if (response.statusCode === 200) {
        try {
          for (const { scopeSpans } of Value.Parse(Request, JSON.parse(body)).resourceSpans) {
            for (const span of scopeSpans.flatMap(({ spans }) => spans)) taken.push(plain(span));
          }
        } catch {
          response.statusCode = 400;
        }
      }
      response.end("{}");
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    words,
    spans: (traceId) =>
      taken
        .filter((span) => span.traceId === traceId)
        .toSorted((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1)),
    fail: (status) => void (failing = status),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function plain(span: Static<typeof SpanJson>): TakenSpan {
  const attributes = span.attributes.map(({ key, value }): [string, string] => [
    key,
    value.stringValue ?? value.intValue ?? String(value.doubleValue),
  ]);
  return { ...span, attributes: Object.fromEntries(attributes) };
}
