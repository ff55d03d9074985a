/** Mail as it comes in the wild, and what becomes of it: the shape of a case, and what messages are built with. */

export interface Case {
  /** What is ugly about it. Unique. */
  name: string;
  /**
   * What stands between DATA and the final dot, before dot-stuffing. The player doubles a dot at the very beginning or
   * after a CRLF, and appends CRLF, dot, CRLF; this may end without a line end.
   */
  raw: Buffer;
  /** The envelope; from "sender@example.net" to ["ann@example.org"] unless given, and "" is the null sender. */
  from?: string;
  to?: readonly string[];
  /** SMTP reply code of the message. */
  answer: 250 | 552 | 554;
  /** Of what is delivered; what is undefined is not compared, an empty text or html is none. */
  expect?: Expected;
}

export interface Expected {
  from?: { address: string; name?: string };
  subject?: string;
  /** With \n as line end; compared without white space at its end. */
  text?: string;
  html?: string;
  /** All of them, in order. */
  attachments?: readonly ExpectedFile[];
  to?: readonly string[];
  cc?: readonly string[];
  bcc?: readonly string[];
}

export interface ExpectedFile {
  filename: string;
  /** Without parameters. */
  contentType?: string;
  content: Buffer;
  /** Of an image that the html refers to. */
  cid?: string;
}

/** A text is UTF-8. */
export type Bytes = string | Uint8Array;

export const crlf = "\r\n";

export function join(...pieces: readonly Bytes[]): Buffer {
  return Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece)));
}

/** With CRLF between them, and none at the end. */
export function lines(...all: readonly Bytes[]): Buffer {
  return join(...all.flatMap((line, index) => (index === 0 ? [line] : [crlf, line])));
}

/** Bytes that Node has no encoder for. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits, "hex");
}

/** Every byte there is, again and again, and differently for every seed. */
export function blob(length: number, seed = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => index * 167 + (index >> 8) * 13 + seed));
}

/** Headers and a body of lines: a part of a multipart, or a whole message. */
export function part(head: readonly Bytes[], ...body: readonly Bytes[]): Buffer {
  return join(...head.flatMap((line) => [line, crlf]), crlf, lines(...body));
}

const usual: readonly string[] = [
  "From: Sender <sender@example.net>",
  "To: ann@example.org",
  "Subject: A mail",
  "Date: Tue, 20 Jan 2026 10:00:00 +0800",
  "MIME-Version: 1.0",
];

function nameOf(header: Bytes): string {
  return join(header).toString("latin1").split(":")[0]?.toLowerCase() ?? "";
}

/** A message; those of the usual headers that `head` has not come before it. */
export function mail(head: readonly Bytes[], ...body: readonly Bytes[]): Buffer {
  const own = new Set(head.map(nameOf));
  return part([...usual.filter((header) => !own.has(nameOf(header))), ...head], ...body);
}

/** A part as a message of its own: the usual headers before those of the part. */
export function mailOf(whole: Buffer, head: readonly Bytes[] = []): Buffer {
  const own = new Set(head.map(nameOf));
  const before = [...usual.filter((header) => !own.has(nameOf(header))), ...head];
  return join(...before.flatMap((line) => [line, crlf]), whole);
}

export interface MultipartOptions {
  /** Further parameters of the type, with their semicolon. */
  parameters?: string;
  preamble?: Bytes;
  epilogue?: Bytes;
  /** Leaves the closing boundary away. */
  open?: boolean;
}

export function multipart(
  kind: string,
  boundary: string,
  parts: readonly Bytes[],
  { parameters = "", preamble = "", epilogue = "", open = false }: MultipartOptions = {},
): Buffer {
  return part(
    [`Content-Type: multipart/${kind}; boundary="${boundary}"${parameters}`],
    ...(preamble.length > 0 ? [preamble] : []),
    ...parts.flatMap((one) => [`--${boundary}`, one]),
    ...(open ? [] : [`--${boundary}--`]),
    epilogue,
  );
}

/** A message of parts. */
export function mixed(...parts: readonly Bytes[]): Buffer {
  return mailOf(multipart("mixed", "=_mixed", parts));
}

export function text(...body: readonly Bytes[]): Buffer {
  return part(["Content-Type: text/plain; charset=utf-8"], ...body);
}

export function html(...body: readonly Bytes[]): Buffer {
  return part(["Content-Type: text/html; charset=utf-8"], ...body);
}

/** An attachment in base64. */
export function file(filename: string, type: string, content: Bytes, head: readonly Bytes[] = []): Buffer {
  return part(
    [
      `Content-Type: ${type}`,
      `Content-Disposition: attachment; filename="${filename}"`,
      "Content-Transfer-Encoding: base64",
      ...head,
    ],
    base64(content),
  );
}

export function base64(content: Bytes, width = 76): string {
  return (
    join(content)
      .toString("base64")
      .match(new RegExp(`.{1,${width}}`, "g")) ?? []
  ).join(crlf);
}

/** With everything escaped that may be, in lines of 72 characters. */
export function quotedPrintable(content: Bytes): string {
  const units = Array.from(join(content), (byte) =>
    /[a-z\d]/i.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : escaped(byte),
  );
  const rows: string[] = [""];
  for (const unit of units) {
    const row = rows.at(-1) ?? "";
    if (row.length + unit.length > 72) rows.push(unit);
    else rows[rows.length - 1] = row + unit;
  }
  return rows.join(`=${crlf}`);
}

function escaped(byte: number): string {
  return `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** An encoded word (RFC 2047). */
export function word(content: Bytes, charset = "utf-8", kind: "B" | "Q" = "B"): string {
  const encoded = kind === "B" ? join(content).toString("base64") : Array.from(join(content), escaped).join("");
  return `=?${charset}?${kind}?${encoded}?=`;
}

/** For parameters of RFC 2231: every byte as %XX. */
export function percent(content: Bytes): string {
  return Array.from(join(content), escaped).join("").replaceAll("=", "%");
}
