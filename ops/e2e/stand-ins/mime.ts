/** Reads a MIME message as far as mail programs need to (RFC 2045 to 2047, 2231). Throws where it is malformed. */
import { Buffer } from "node:buffer";

export interface Part {
  /** By lower-case name, unfolded. */
  headers: Map<string, string>;
  type: string;
  parameters: Map<string, string>;
  filename: string | undefined;
  content: Buffer;
  parts: Part[];
}

export function parseMime(message: Buffer): Part {
  const [head, body] = split(message);
  const headers = new Map<string, string>();
  for (const line of head.replace(/\r\n[ \t]+/g, " ").split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`no header: ${line}`);
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const { value: type, parameters } = parametersOf(headers.get("content-type") ?? "text/plain");
  const disposition = parametersOf(headers.get("content-disposition") ?? "");
  const filename = disposition.parameters.get("filename") ?? parameters.get("name");
  const boundary = parameters.get("boundary");
  const parts = type.startsWith("multipart/") && boundary ? pieces(body, boundary).map(parseMime) : [];
  const content = decodeBody(body, headers.get("content-transfer-encoding")?.toLowerCase());
  return { headers, type: type.toLowerCase(), parameters, filename, content, parts };
}

/** All parts that are no containers, in order. */
export function leaves(part: Part): Part[] {
  return part.parts.length > 0 ? part.parts.flatMap(leaves) : [part];
}

/** `Name <address>, address`; names are decoded once they are apart. */
export function addressesIn(header: string | undefined): { address: string; name?: string }[] {
  const list = header?.match(/(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,"<])+/g) ?? [];
  return list.map((one) => {
    const [, name = "", address = ""] = /^\s*(.*?)\s*<([^>]*)>\s*$/s.exec(one) ?? ["", "", one.trim()];
    const plain = decodeWords(name.replace(/^"(.*)"$/s, "$1").replace(/\\(.)/g, "$1"));
    return plain === "" ? { address } : { address, name: plain };
  });
}

function split(message: Buffer): [head: string, body: Buffer] {
  const end = message.indexOf("\r\n\r\n");
  if (end < 0) throw new Error("a message without an end of its headers");
  return [message.subarray(0, end).toString("latin1"), message.subarray(end + 4)];
}

function pieces(body: Buffer, boundary: string): Buffer[] {
  const text = body.toString("latin1");
  const sections = `\r\n${text}`.split(`\r\n--${boundary}`);
  const last = sections.findIndex((section) => section.startsWith("--"));
  if (last < 0) throw new Error("a multipart without an end");
  return sections.slice(1, last).map((section) => Buffer.from(section.replace(/^[ \t]*\r\n/, ""), "latin1"));
}

function decodeBody(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === "base64") return Buffer.from(body.toString("latin1"), "base64");
  if (encoding !== "quoted-printable") return body;
  const text = body
    .toString("latin1")
    .replace(/[ \t]+\r\n/g, "\r\n")
    .replace(/=\r\n/g, "");
  return Buffer.from(
    text.replace(/=([\dA-F]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    "latin1",
  );
}

/** `=?utf-8?B?…?=`; a character may be spread over two neighbouring words. */
export function decodeWords(value: string): string {
  return value.replace(/\?=\s+=\?/g, "?==?").replace(/(?:=\?utf-8\?[bq]\?[^?]*\?=)+/gi, (run) => {
    const words = [...run.matchAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi)];
    return Buffer.concat(words.map(([, kind = "", text = ""]) => decodeWord(kind, text))).toString();
  });
}

function decodeWord(kind: string, text: string): Buffer {
  if (kind.toLowerCase() === "b") return Buffer.from(text, "base64");
  return decodeBody(Buffer.from(text.replaceAll("_", " "), "latin1"), "quoted-printable");
}

/** `value; name=text; other*0*=utf-8''%20; other*1="more"` */
function parametersOf(header: string): { value: string; parameters: Map<string, string> } {
  const [value = "", ...rest] = header.match(/(?:"(?:\\.|[^"\\])*"|[^;"])+/g) ?? [];
  const parameters = new Map<string, string>();
  for (const one of rest) {
    const equals = one.indexOf("=");
    const name = one.slice(0, equals).trim().toLowerCase();
    const text = one
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/s, "$1")
      .replace(/\\(.)/g, "$1");
    const [base = "", ...marks] = name.split("*");
    const plain = marks.at(-1) === "" ? decodeURIComponent(text.replace(/^utf-8'[^']*'/i, "")) : decodeWords(text);
    parameters.set(base, (parameters.get(base) ?? "") + plain);
  }
  return { value: value.trim(), parameters };
}
