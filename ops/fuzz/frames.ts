/** Requests as bytes, and what can be wrong below what is said: lengths, chunks, the head, their order. */
import type { Random } from "../harness/random.ts";

/** A request before it is written. */
export interface Draft {
  method: string;
  target: string;
  headers: readonly string[];
  body: Buffer;
  /** For the report. */
  what: string;
}

export interface Frame {
  bytes: Buffer;
  /** How many answers it asks for; 0 where it is broken in a way that nobody can say. */
  answers: number;
  /** What is wrong with it as bytes. */
  how: string;
}

/** Mostly as a client writes it. `pipelines`: it may come several times at once. */
export function framed(draft: Draft, random: Random, pipelines: boolean): Frame {
  const dice = random.between(0, 99);
  if (dice < 82) return whole(draft);
  if (dice < 86) return lying(draft, random);
  if (dice < 90) return chunked(draft, random);
  if (dice < 93) return odd(draft, random);
  if (dice < 96) return pipelines ? pipelined(whole(draft), random) : whole(draft);
  return garbled(draft, random);
}

const host = "Host: localhost";

/** As a client writes it. */
export function whole(draft: Draft): Frame {
  const { method, body } = draft;
  const length = body.length > 0 || !/^(GET|HEAD|DELETE)$/.test(method) ? [`Content-Length: ${body.length}`] : [];
  return { bytes: join(draft, [host, ...length]), answers: 1, how: "" };
}

/** Says more or less than it sends, or says it twice. */
function lying(draft: Draft, random: Random): Frame {
  const { length } = draft.body;
  const wrong = random.pick([
    [`Content-Length: ${length + random.between(1, 1000)}`],
    [`Content-Length: ${Math.max(0, length - 1)}`],
    [`Content-Length: ${length}`, `Content-Length: ${length + 1}`],
    [`Content-Length: ${length}, ${length}`],
    ["Content-Length: -1"],
    ["Content-Length: 99999999999999999999"],
    ["Content-Length: 0x10"],
    ["Content-Length:"],
    [`Content-Length: ${length}`, "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: gzip, chunked"],
    ["Transfer-Encoding: chunked, identity"],
    ["Transfer-Encoding: identity"],
    [`Content-Length: ${length}`, "Expect: 100-continue"],
    [`Content-Length: ${length}`, "Expect: 200-ok"],
  ]);
  return { bytes: join(draft, [host, ...wrong]), answers: 0, how: wrong.join(", ") };
}

/** In chunks, which end as they should, break off, or are none. */
function chunked(draft: Draft, random: Random): Frame {
  const parts: Buffer[] = [];
  const most = random.pick([1, 40, 4000]);
  for (let at = 0; at < draft.body.length && parts.length < 3000;) {
    const piece = draft.body.subarray(at, at + random.between(1, most));
    const more = random.percent(3) ? ";a=b" : "";
    parts.push(Buffer.from(`${piece.length.toString(16)}${more}\r\n`), piece, Buffer.from("\r\n"));
    at += piece.length;
  }
  const last = "0\r\n\r\n";
  const end = random.pick([last, last, "0\r\nX: y\r\n\r\n", "zz\r\n", "-1\r\n", "0\r\n", "ffffffff\r\nabc", ""]);
  const bytes = Buffer.concat([
    join({ ...draft, body: Buffer.alloc(0) }, [host, "Transfer-Encoding: chunked"]),
    ...parts,
    Buffer.from(end),
  ]);
  const isWhole = end.startsWith("0\r\n") && end.endsWith("\r\n\r\n");
  return { bytes, answers: isWhole ? 1 : 0, how: `in chunks that end with ${JSON.stringify(end)}` };
}

/** Right as bytes, and seldom seen. */
function odd(draft: Draft, random: Random): Frame {
  const length = `Content-Length: ${draft.body.length}`;
  const { target } = draft;
  const [how, changed, headers, version] = random.pick<[string, Partial<Draft>, string[], string?]>([
    ["a version of old", {}, [length], "HTTP/1.0"],
    ["no host", {}, [length]],
    ["two hosts", {}, [host, "Host: other.example", length]],
    [
      "a host of nobody",
      {},
      [`Host: ${random.pick(["", "a b", "[::1", "x".repeat(300), "é", "localhost:99999"])}`, length],
    ],
    ["with the whole address", { target: `http://localhost${target}` }, [host, length]],
    ["to another's address", { target: `http://other.example${target}` }, [host, length]],
    ["a double slash", { target: `/${target}` }, [host, length]],
    ["a fragment", { target: `${target}#a` }, [host, length]],
    ["an asterisk", { target: "*", method: "OPTIONS" }, [host, length]],
    ["an upgrade", {}, [host, length, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA"]],
    ["a socket", {}, [host, length, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAA="]],
    ["to be closed", {}, [host, length, "Connection: close"]],
    ["a long head", {}, [host, length, `X-Long: ${"x".repeat(random.pick([8000, 15_000, 20_000]))}`]],
    ["many headers", {}, [host, length, ...Array.from({ length: 300 }, (_, index) => `X-${index}: y`)]],
    ["a folded header", {}, [host, length, "X-Folded: a\r\n b"]],
    ["twice the same header", {}, [host, length, "Authorization: Bearer x", "Content-Type: text/plain"]],
  ]);
  return { bytes: join({ ...draft, ...changed }, headers, version), answers: 1, how };
}

function pipelined({ bytes }: Frame, random: Random): Frame {
  const times = random.between(2, 8);
  return { bytes: Buffer.concat(Array.from({ length: times }, () => bytes)), answers: times, how: `${times} at once` };
}

function garbled(draft: Draft, random: Random): Frame {
  return { bytes: flipped(whole(draft).bytes, random), answers: 0, how: "garbled" };
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

function join({ method, target, headers, body }: Draft, first: readonly string[], version = "HTTP/1.1"): Buffer {
  const head = Buffer.from(
    `${method} ${target} ${version}\r\n${[...first, ...headers].join("\r\n")}\r\n\r\n`,
    "latin1",
  );
  return body.length === 0 ? head : Buffer.concat([head, body]);
}
