/** Requests made from the API's own documentation, and then spoilt: as bytes, for half of what can be wrong is below JSON. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Random } from "../harness/random.ts";
import { goodBody } from "./bodies.ts";
import { fitting, type Making, type Schema } from "./fitting.ts";
import { makeForm } from "./forms.ts";
import { flipped, framed } from "./frames.ts";
import { kindOfParameter, type Id, type Known } from "./known.ts";
import { hashes, type Operation } from "./operations.ts";
import type { People } from "./people.ts";
import { huge, nested, spoilt, spoiltText } from "./spoiling.ts";

export interface Request {
  bytes: Buffer;
  /** How many answers it asks for; 0 where it is broken in a way that nobody can say. */
  answers: number;
  operation: Operation;
  /** For the report. */
  what: string;
  /** What it names that answers told of. */
  ids: readonly { kind: string; id: Id }[];
  /** Nobody may be let in with it. */
  isWrong: boolean;
}

export interface Sources {
  pick(random: Random): Operation;
  known: Known;
  people: People;
  pictures: readonly [Buffer, ...Buffer[]];
}

export function makeRequest(sources: Sources, random: Random): Request {
  const operation = sources.pick(random);
  const isSpoilt = random.percent(50);
  const making = { random, known: sources.known };
  const { target, ids } = targetOf(operation, making, isSpoilt);
  const method =
    isSpoilt && random.percent(3) ? random.pick(["PATCH", "TRACE", "HEAD", "OPTIONS", "get"]) : operation.method;
  const content = contentOf(operation, making, sources, isSpoilt);
  const { header, isWrong } = sources.people.headerFor(operation, random);
  const headers = [...(header === undefined ? [] : [`Authorization: ${header}`]), ...content.headers];
  if (isSpoilt && random.percent(30)) headers.push(oddHeader(random));
  if (random.percent(30)) headers.push(`X-Forwarded-For: ${forwardedFor(random, isSpoilt)}`);
  const draft = { method, target, headers, body: content.body, what: operation.name };
  const frame = framed(draft, random, !hashes(operation.name));
  const what = frame.how === "" ? operation.name : `${operation.name}, ${frame.how}`;
  return {
    bytes: frame.bytes,
    answers: frame.answers,
    operation,
    what,
    ids,
    isWrong: isWrong && method === operation.method,
  };
}

function targetOf(operation: Operation, making: Making, isSpoilt: boolean): { target: string; ids: Request["ids"] } {
  const { random, known } = making;
  const ids: { kind: string; id: Id }[] = [];
  const value = (schema: Schema, name: string) => {
    const good = fitting(schema, making, name);
    return isSpoilt && random.percent(25) ? spoilt(good, random) : good;
  };
  let target = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const kind = kindOfParameter(operation.path, name);
    const id = kind !== undefined && random.percent(isSpoilt ? 65 : 93) ? known.pick(kind, random) : undefined;
    if (kind !== undefined && id !== undefined) ids.push({ kind, id });
    const schema = operation.parameters.find((each) => each.in === "path" && each.name === name)?.schema ?? {};
    const text = String(id ?? value(schema, name));
    return isSpoilt && random.percent(8) ? text.replaceAll(/[\r\n ]/g, "") : encode(text);
  });
  const query = operation.parameters
    .filter((each) => each.in === "query" && random.percent(40))
    .map(({ name, schema }) => `${encode(name)}=${encode(String(value(schema, name)))}`);
  if (isSpoilt && random.percent(10))
    query.push(...query, random.pick(["=", "&&", "a[]=1", "__proto__=1", "%zz=%", "?"]));
  if (query.length > 0) target += `?${query.join("&")}`;
  return { target, ids };
}

interface Content {
  headers: string[];
  body: Buffer;
}

const types = ["", "application/json; charset=utf-8", "text/plain", "multipart/form-data", "a/b;c", "application/JSON"];
const oddTypes = [
  ...types,
  "application/json; charset=utf-16",
  "application/json;;",
  "application/x-www-form-urlencoded",
];

function contentOf(operation: Operation, making: Making, sources: Sources, isSpoilt: boolean): Content {
  const { random } = making;
  if (!operation.body) {
    const body = isSpoilt && random.percent(10) ? Buffer.from(random.pick(["{}", "x", "[1]"])) : Buffer.alloc(0);
    return { headers: body.length > 0 ? ["Content-Type: application/json"] : [], body };
  }
  const isForm = operation.isForm ? !isSpoilt || random.percent(90) : isSpoilt && random.percent(1);
  if (isForm) {
    const { type, body } = makeForm(sources.pictures, random, isSpoilt);
    return { headers: [`Content-Type: ${type}`], body };
  }
  const plain = jsonOf(goodBody(operation, making, sources.people), random, isSpoilt);
  const type = isSpoilt && random.percent(6) ? oddTypes[random.between(0, oddTypes.length - 1)] : "application/json";
  const headers = [`Content-Type: ${type}`];
  if (!isSpoilt || !random.percent(3)) return { headers, body: plain };
  const [encoding, body] = random.pick([
    ["gzip", gzipSync(plain)],
    ["br", brotliCompressSync(plain)],
    ["gzip", plain],
    ["identity", plain],
    ["a, b", plain],
  ] as const);
  return { headers: [...headers, `Content-Encoding: ${encoding}`], body };
}

function jsonOf(good: unknown, random: Random, isSpoilt: boolean): Buffer {
  if (!isSpoilt) return Buffer.from(JSON.stringify(good));
  let value = good;
  for (let times = random.between(0, 2); times > 0; times--) value = spoilt(value, random);
  const text = JSON.stringify(value) ?? "";
  const dice = random.between(0, 30);
  if (dice === 0) return Buffer.from(nested(random));
  if (dice === 1) return Buffer.from(text.slice(0, random.between(0, text.length)));
  if (dice === 2) return Buffer.from(text, random.pick(["utf16le", "latin1"]));
  if (dice === 3) return Buffer.from(`\uFEFF${text}`);
  if (dice === 4) return Buffer.from(text.replace(/^\{/, '{"a":1,"a":2,"__proto__":{"x":1},'));
  if (dice === 5) return flipped(Buffer.from(text), random);
  if (dice === 6) return Buffer.from(String(spoiltText(text, random)));
  // Each of its parts twice: the last one counts, or neither.
  if (dice === 7) return Buffer.from(text.replace(/^\{(.+)\}$/s, "{$1,$1}"));
  if (dice === 8)
    return Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from("}")]);
  // Each costs as much as hundreds of others.
  if (dice === 9 && random.percent(2)) return Buffer.from(huge(value, random));
  return Buffer.from(text);
}

function oddHeader(random: Random): string {
  return random.pick([
    `Idempotency-Key: ${random.pick(["a", "", "x".repeat(300), "é", "b", "c"])}`,
    `Prefer: wait=${random.pick(["0", "1", "-1", "1e9", "x", "0, wait=0"])}`,
    `traceparent: ${random.pick(["00-0-0-00", `00-${"a".repeat(32)}-${"b".repeat(16)}-ff`, "x"])}`,
    `Accept-Encoding: ${random.pick(["gzip", "*;q=0", "\u00ff", "br;q=2"])}`,
    `Accept: ${random.pick(["text/html", "*/*;q=0", "\u00ff", "application/json;q=x"])}`,
    `Range: bytes=${random.pick(["0-", "5-2", "-1", "0-0,2-3", "99999999999999999999-", "x"])}`,
    `If-None-Match: ${random.pick(["*", '"x"', "W/", "x".repeat(5000)])}`,
    `If-Modified-Since: ${random.pick(["Fri, 27 Nov 2026 04:00:00 GMT", "x", "9".repeat(50)])}`,
    `Origin: ${random.pick(["null", "https://eve.example", "\u00ff", ""])}`,
    `Cookie: ${random.pick(["a=b", "=;;", "x".repeat(4000)])}`,
    `X-Request-Id: ${random.pick(["a", "x".repeat(500), "é", "a b"])}`,
  ]);
}

/** The proxy in front says where a request comes from: another guest each time. */
function forwardedFor(random: Random, isSpoilt: boolean): string {
  if (isSpoilt && random.percent(20)) return random.pick(["::1", "1.2.3.4, ,", "x".repeat(2000), "é", "[::1]:80", ""]);
  return `198.51.${random.between(0, 255)}.${random.between(0, 255)}`;
}

/** As a client writes it: what is no Unicode has no such form, and goes as it is. */
function encode(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : "%ED%A0%80";
}
