/** A mail as Graph reads it from a request, and what it refuses. Pure. */
import { createHash } from "node:crypto";
import { addressesIn, decodeWords, leaves, parseMime } from "./mime.ts";
import { isRecord } from "./sendgrid-rules.ts";

export interface Recipient {
  address: string;
  name?: string;
}

export interface GraphFile {
  name: string;
  contentType: string | undefined;
  size: number;
  sha256: string;
  /** Of one that is inline: what the html calls it by. */
  contentId?: string;
}

export interface GraphMail {
  /** Of the x-mail-id header. */
  mailId: string | undefined;
  form: "json" | "mime";
  from: Recipient | undefined;
  to: Recipient[];
  cc: Recipient[];
  bcc: Recipient[];
  /** Where there is one. */
  replyTo?: Recipient[];
  /** Of MIME: the header by which mail finds its thread. */
  inReplyTo?: string;
  subject: string;
  text: string | undefined;
  html: string | undefined;
  attachments: GraphFile[];
}

export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const bad = (message: string) => new Refused(400, "BadRequest", message);

/** The `message` of a request in JSON. */
export function readJson(message: unknown): GraphMail {
  if (!isRecord(message)) throw bad("The request has no message.");
  const { subject, body, from, toRecipients, ccRecipients, bccRecipients, replyTo, internetMessageHeaders, ...rest } =
    message;
  const { attachments = [], ...unknown } = rest;
  const [strange] = Object.keys(unknown);
  if (strange !== undefined) throw bad(`The property '${strange}' does not exist on type 'microsoft.graph.message'.`);
  if (typeof subject !== "string" || !isRecord(body) || typeof body["content"] !== "string")
    throw bad("A text is missing.");
  if (!Array.isArray(attachments)) throw bad("attachments is a collection.");
  const isHtml = body["contentType"] === "html";
  if (!isHtml && body["contentType"] !== "text") throw bad("contentType is text or html.");
  return {
    mailId: mailIdIn(internetMessageHeaders),
    form: "json",
    from: from === undefined ? undefined : recipient(from),
    to: recipients(toRecipients),
    cc: recipients(ccRecipients),
    bcc: recipients(bccRecipients),
    ...(replyTo !== undefined && { replyTo: recipients(replyTo) }),
    subject,
    text: isHtml ? undefined : body["content"],
    html: isHtml ? body["content"] : undefined,
    attachments: attachments.map(readFile),
  };
}

/** A body in base64 that is MIME. */
export function readMime(base64: string): GraphMail {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw bad("Invalid base64 string for MIME content.");
  let whole: ReturnType<typeof parseMime>;
  try {
    whole = parseMime(Buffer.from(base64, "base64"));
  } catch {
    throw bad("The MIME content is malformed.");
  }
  const all = leaves(whole);
  const files = all.filter(({ headers }) => /^(?:attachment|inline)/.test(headers.get("content-disposition") ?? ""));
  const body = (type: string) => all.find((part) => part.type === type && !files.includes(part))?.content.toString();
  const header = (name: string) => addressesIn(whole.headers.get(name));
  return {
    mailId: whole.headers.get("x-mail-id"),
    form: "mime",
    from: header("from")[0],
    to: header("to"),
    cc: header("cc"),
    bcc: header("bcc"),
    ...(whole.headers.has("reply-to") && { replyTo: header("reply-to") }),
    ...(whole.headers.has("in-reply-to") && { inReplyTo: whole.headers.get("in-reply-to") ?? "" }),
    subject: decodeWords(whole.headers.get("subject") ?? ""),
    text: body("text/plain"),
    html: body("text/html"),
    attachments: files.map(({ filename = "", type, content, headers }) => {
      const contentId = headers.get("content-id")?.replace(/^<(.*)>$/, "$1");
      return fileOf(filename, type, content, contentId);
    }),
  };
}

/** Whether Exchange would take the mail for delivery from this mailbox. */
export function checkSending(mail: GraphMail, mailbox: string): void {
  if (mail.to.length + mail.cc.length + mail.bcc.length === 0) {
    throw new Refused(
      400,
      "ErrorInvalidRecipients",
      "At least one recipient isn't valid., A message can't be sent because it contains no recipients.",
    );
  }
  if (mail.from && mail.from.address.toLowerCase() !== mailbox.toLowerCase()) {
    throw new Refused(
      403,
      "ErrorSendAsDenied",
      "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.",
    );
  }
}

/** A fileAttachment. */
export function readFile(attachment: unknown): GraphFile {
  if (!isRecord(attachment)) throw bad("An attachment is an object.");
  const { "@odata.type": type, name, contentType, contentBytes, isInline, contentId } = attachment;
  if (type !== "#microsoft.graph.fileAttachment") throw bad("An attachment needs its @odata.type.");
  if (typeof name !== "string" || typeof contentBytes !== "string")
    throw bad("An attachment needs name and contentBytes.");
  const id = isInline === true && typeof contentId === "string" ? contentId : undefined;
  const kind = typeof contentType === "string" ? contentType : undefined;
  return fileOf(name, kind, Buffer.from(contentBytes, "base64"), id);
}

export function fileOf(
  name: string,
  contentType: string | undefined,
  content: Buffer,
  contentId?: string | undefined,
): GraphFile {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { name, contentType, size: content.length, sha256, ...(contentId !== undefined && { contentId }) };
}

function recipients(list: unknown): Recipient[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw bad("Recipients are a collection.");
  return list.map(recipient);
}

function recipient(one: unknown): Recipient {
  const email = isRecord(one) ? one["emailAddress"] : undefined;
  if (!isRecord(email) || typeof email["address"] !== "string") throw bad("A recipient needs an emailAddress.");
  const { address, name } = email;
  if (!/^[^@\s]+@[^@\s]+$/.test(address)) {
    throw new Refused(
      400,
      "ErrorInvalidRecipients",
      `At least one recipient isn't valid., Recipient '${address}' isn't resolved.`,
    );
  }
  return typeof name === "string" ? { address, name } : { address };
}

/** At most five, and only those that begin with x-. */
function mailIdIn(headers: unknown): string | undefined {
  if (headers === undefined) return undefined;
  if (!Array.isArray(headers) || headers.length > 5) throw bad("Too many internetMessageHeaders.");
  for (const header of headers) {
    const { name, value } = isRecord(header) ? header : {};
    if (typeof name !== "string" || !/^x-/i.test(name)) {
      throw new Refused(
        400,
        "InvalidInternetMessageHeader",
        `The internet message header name '${String(name)}' should start with 'x-' or 'X-'.`,
      );
    }
    if (name === "x-mail-id" && typeof value === "string") return value;
  }
  return undefined;
}
