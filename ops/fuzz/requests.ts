/** Requests made from the API's own documentation, and then spoilt: as bytes, for half of what can be wrong is below JSON. */
import type { Random } from "../harness/random.ts";
import { fitting, nested, spoilt, spoiltText, type Schema } from "./values.ts";

export interface Operation {
  method: string;
  path: string;
  parameters: { name: string; in: string; schema: Schema }[];
  body: Schema | undefined;
}

export interface Request {
  bytes: Buffer;
  /** How many answers it asks for; 0 where it is broken in a way that nobody can say. */
  answers: number;
  /** For the report. */
  what: string;
}

interface Document {
  paths: Record<string, Record<string, RawOperation>>;
}

interface RawOperation {
  parameters?: { name: string; in: string; schema?: Schema }[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
}

export function operationsOf({ paths }: Document): [Operation, ...Operation[]] {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]): Operation => {
      const [content] = Object.values(requestBody?.content ?? {});
      const given = parameters.map(({ name, in: where, schema = {} }) => ({ name, in: where, schema }));
      return { method: method.toUpperCase(), path, parameters: given, body: content?.schema };
    }),
  );
  const [first, ...others] = all;
  if (!first) throw new Error("the documentation names no operation");
  return [first, ...others];
}

export interface Ids {
  /** Tokens of several kinds, good and bad. */
  readonly tokens: readonly [string, ...string[]];
  /** Ids that exist. */
  readonly known: readonly [string, ...string[]];
}

export function makeRequest(operations: readonly [Operation, ...Operation[]], ids: Ids, random: Random): Request {
  const operation = random.pick(operations);
  const { method, what, target, body } = content(operation, ids, random);
  const headers = headersOf(body, ids, random);
  const dice = random.between(0, 99);
  if (dice < 80) return whole(method, target, headers, body, what);
  if (dice < 84) return lying(method, target, headers, body, random, what);
  if (dice < 88) return chunked(method, target, headers, body, random, what);
  if (dice < 93) return pipelined(whole(method, target, headers, body, what), random);
  return garbled(whole(method, target, headers, body, what), random);
}

function content(operation: Operation, ids: Ids, random: Random) {
  const isSpoilt = random.percent(70);
  const value = (schema: Schema) => {
    const good = fitting(schema, random);
    return isSpoilt && random.percent(30) ? spoilt(good, random) : good;
  };
  let target = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const parameter = operation.parameters.find((each) => each.in === "path" && each.name === name);
    const text = random.percent(50) ? random.pick(ids.known) : String(value(parameter?.schema ?? {}));
    return random.percent(90) ? encode(text) : text.replaceAll(/[\r\n ]/g, "");
  });
  const query = operation.parameters
    .filter((each) => each.in === "query" && random.percent(40))
    .map(({ name, schema }) => `${encode(name)}=${encode(String(value(schema)))}`);
  if (isSpoilt && random.percent(10)) query.push(...query, "=", "&&", "a[]=1", "__proto__=1", "%zz=%");
  if (query.length > 0) target += `?${query.join("&")}`;
  const method =
    isSpoilt && random.percent(3) ? random.pick(["PATCH", "TRACE", "HEAD", "OPTIONS", "get"]) : operation.method;
  return { method, target, what: `${operation.method} ${operation.path}`, body: bodyOf(operation, isSpoilt, random) };
}

function bodyOf({ body }: Operation, isSpoilt: boolean, random: Random): Buffer {
  if (!body) return isSpoilt && random.percent(10) ? Buffer.from("{}") : Buffer.alloc(0);
  let value = fitting(body, random);
  const times = isSpoilt ? random.between(0, 3) : 0;
  for (let time = 0; time < times; time++) value = spoilt(value, random);
  const text = JSON.stringify(value) ?? "";
  if (!isSpoilt) return Buffer.from(text);
  const dice = random.between(0, 40);
  if (dice === 0) return Buffer.from(nested(random));
  if (dice === 1) return Buffer.from(text.slice(0, random.between(0, text.length)));
  if (dice === 2) return Buffer.from(text, "utf16le");
  if (dice === 3) return Buffer.from(`\uFEFF${text}`);
  if (dice === 4) return Buffer.from(text.replace(/^\{/, '{"a":1,"a":2,"__proto__":{"x":1},'));
  if (dice === 5) return flipped(Buffer.from(text), random);
  if (dice === 6) return Buffer.from(String(spoiltText(text, random)));
  return Buffer.from(text);
}

function headersOf(body: Buffer, ids: Ids, random: Random): string[] {
  const headers = ["Host: localhost"];
  if (random.percent(95)) headers.push(`Authorization: Bearer ${random.pick(ids.tokens)}`);
  else headers.push(`Authorization: ${random.pick(["Basic YTpi", "Bearer", "Bearer  ", "bearer a.b.c", "\x80"])}`);
  if (body.length > 0) {
    const types = ["application/json", "application/json; charset=utf-8", "text/plain", "multipart/form-data", "a/b;c"];
    headers.push(`Content-Type: ${random.percent(92) ? "application/json" : random.pick(["", ...types])}`);
  }
  if (random.percent(4)) headers.push(`Idempotency-Key: ${random.pick(["a", "", "x".repeat(300), "é"])}`);
  if (random.percent(2)) headers.push(`Prefer: wait=${random.pick(["0", "-1", "1e9", "x", "0, wait=0"])}`);
  if (random.percent(2)) headers.push(`X-Forwarded-For: ${random.pick(["::1", "1.2.3.4, ,", "x".repeat(2000)])}`);
  if (random.percent(2))
    headers.push(`traceparent: ${random.pick(["00-0-0-00", `00-${"a".repeat(32)}-${"b".repeat(16)}-ff`, "x"])}`);
  if (random.percent(2)) headers.push(`Accept-Encoding: ${random.pick(["gzip", "*;q=0", "\u00ff"])}`);
  return headers;
}

function whole(method: string, target: string, headers: string[], body: Buffer, what: string): Request {
  const length = body.length > 0 || !/^(GET|HEAD|DELETE)$/.test(method) ? [`Content-Length: ${body.length}`] : [];
  return { bytes: join(method, target, [...headers, ...length], body), answers: 1, what };
}

/** Says more or less than it sends, or says it twice. */
function lying(method: string, target: string, headers: string[], body: Buffer, random: Random, what: string): Request {
  const wrong = random.pick([
    [`Content-Length: ${body.length + random.between(1, 1000)}`],
    [`Content-Length: ${Math.max(0, body.length - 1)}`],
    [`Content-Length: ${body.length}`, `Content-Length: ${body.length + 1}`],
    ["Content-Length: -1"],
    ["Content-Length: 99999999999999999999"],
    ["Content-Length: 0x10"],
    [`Content-Length: ${body.length}`, "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: gzip, chunked"],
    ["Transfer-Encoding: identity"],
    [`Content-Length: ${body.length}`, "Expect: 100-continue"],
    [`Content-Length: ${body.length}`, "Expect: 200-ok"],
  ]);
  return {
    bytes: join(method, target, [...headers, ...wrong], body),
    answers: 0,
    what: `${what}, ${wrong.join(", ")}`,
  };
}

function chunked(
  method: string,
  target: string,
  headers: string[],
  body: Buffer,
  random: Random,
  what: string,
): Request {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const size = random.between(1, 40);
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
    at += size;
  }
  const end = random.pick(["0\r\n\r\n", "0\r\n\r\n", "0\r\nX: y\r\n\r\n", "zz\r\n", "-1\r\n", ""]);
  const bytes = join(
    method,
    target,
    [...headers, "Transfer-Encoding: chunked"],
    Buffer.concat([...parts, Buffer.from(end)]),
  );
  return {
    bytes,
    answers: end.startsWith("0\r\n\r\n") ? 1 : 0,
    what: `${what}, in chunks that end with ${JSON.stringify(end)}`,
  };
}

function pipelined(one: Request, random: Random): Request {
  const times = random.between(2, 8);
  return {
    bytes: Buffer.concat(Array.from({ length: times }, () => one.bytes)),
    answers: times,
    what: `${one.what}, ${times} times at once`,
  };
}

function garbled({ bytes, what }: Request, random: Random): Request {
  return { bytes: flipped(bytes, random), answers: 0, what: `${what}, garbled` };
}

/** Some bytes changed, put in, left out, or repeated. */
export function flipped(bytes: Buffer, random: Random): Buffer {
  let result = Buffer.from(bytes);
  for (let time = random.between(1, 4); time > 0 && result.length > 0; time--) {
    const at = random.between(0, result.length - 1);
    const dice = random.between(0, 3);
    if (dice === 0) result[at] = random.between(0, 255);
    else if (dice === 1)
      result = Buffer.concat([result.subarray(0, at), Buffer.from([random.between(0, 255)]), result.subarray(at)]);
    else if (dice === 2) result = Buffer.concat([result.subarray(0, at), result.subarray(at + random.between(1, 20))]);
    else result = Buffer.concat([result.subarray(0, at), result.subarray(Math.max(0, at - 50))]);
  }
  return result;
}

function join(method: string, target: string, headers: readonly string[], body: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`, "latin1"),
    body,
  ]);
}

/** As a client writes it: what is no Unicode has no such form, and goes as it is. */
function encode(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : "%ED%A0%80";
}
