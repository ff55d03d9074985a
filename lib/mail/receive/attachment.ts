/** Names and types of received attachments. Pure. */
import { detectExtension } from "nodemailer/lib/mime-funcs";
import { cut } from "./headers.ts";
import type { Headers } from "./bare-parser.ts";
import type { Structured } from "./mailparser.ts";

const longestName = 255;
const typePattern = /^[\w.+-]+\/[\w.+-]+$/;
/** Of a part, and not of its content. */
const ofThePart: ReadonlySet<string> = new Set(["name", "boundary"]);

/**
 * The name of an attachment: as its sender gave it, without folders and control characters. One without a name gets its
 * number, and the extension of its type.
 */
export function filenameOf(headers: Headers, contentType: string | undefined, number: number): string {
  const given =
    structured(headers, "content-disposition")?.params["filename"] ??
    structured(headers, "content-type")?.params["name"] ??
    "";
  const [last = ""] = given.toWellFormed().split(/[/\\]/).slice(-1);
  const name = last.replaceAll(/\p{Cc}|[\u2028\u2029]/gu, "_").trim();
  if (name === "" || name === "." || name === "..") return `attachment-${number}${extensionOf(contentType)}`;
  return shorten(name);
}

/** With the parameters that a reader needs, such as `charset` and `method`; undefined for what is no media type. */
export function typeOf(headers: Headers, contentType: string | undefined): string | undefined {
  // As it was declared: mailparser goes by the file's name where that says nothing.
  const type = (structured(headers, "content-type")?.value ?? contentType ?? "").toLowerCase();
  if (!typePattern.test(type) || type.length > longestName) return undefined;
  const params = Object.entries(structured(headers, "content-type")?.params ?? {})
    .filter(
      ([key, value]) =>
        /^[\w-]+$/.test(key) && !ofThePart.has(key) && !key.startsWith("x-") && /^[\w.+-]+$/.test(value),
    )
    .map(([key, value]) => `; ${key}=${value}`);
  return params.reduce((text, param) => (text.length + param.length <= longestName ? text + param : text), type);
}

/** How many references are looked at: of millions, each is another object. */
const mostReferences = 100_000;

/** What the html refers to by `cid:`, as it is written there and decoded. */
export function contentIdsIn(html: string | undefined): ReadonlySet<string> {
  const found = new Set<string>();
  const references = (html ?? "").matchAll(/\bcid:([^"'\s<>)]{1,255})/gi);
  for (const [, id = ""] of references.take(mostReferences)) {
    found.add(id);
    found.add(decoded(id));
  }
  return found;
}

/** Whether a Content-ID can be written down again. */
export function isPlainId(id: string): boolean {
  return /^[!-~]{1,255}$/.test(id) && !/[<>"\\]/.test(id);
}

function structured(headers: Headers, name: string): Structured | undefined {
  const given = headers.get(name);
  // As mailparser makes these two headers.
  return typeof given === "object" && given !== null && "params" in given ? (given as Structured) : undefined;
}

function extensionOf(contentType: string | undefined): string {
  if (contentType === undefined || contentType === "application/octet-stream") return "";
  if (contentType === "message/rfc822") return ".eml";
  const extension = detectExtension(contentType);
  return extension === "bin" ? "" : `.${extension}`;
}

/** Cuts the stem, and leaves the extension. */
function shorten(name: string): string {
  if (name.length <= longestName) return name;
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : "";
  return cut(name, longestName - extension.length) + extension;
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
