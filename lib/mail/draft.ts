/** Checks a mail that a client hands over, beyond what its schema can say, and makes a draft of it. Pure. */
import type { Detail } from "../../runtime/problem.ts";
import { problems, type Problem } from "../../runtime/problem.ts";
import { hasControls, parseAddress, type Address } from "./address.ts";
import { checkAttachments, type DraftAttachment, type LargeContent } from "./draft-attachment.ts";
import { emptyBody } from "./problems.ts";
import { parseSendAt } from "./send-at.ts";

/** A mail as the API's schema lets it through. */
export interface MailInput {
  from: string;
  to: readonly string[];
  cc?: readonly string[];
  bcc?: readonly string[];
  subject: string;
  body?: string;
  html?: string;
  attachments?: readonly { filename: string; content: string; content_type?: string }[];
  metadata?: Readonly<Record<string, unknown>>;
  /** RFC 3339. */
  send_at?: string;
}

/** A mail that can be accepted: addresses parsed, each recipient once, texts that the database can hold. */
export interface Draft {
  from: Address;
  to: readonly Address[];
  cc: readonly Address[];
  bcc: readonly Address[];
  replyTo: readonly Address[];
  /** Further headers, by name: fit to be sent as they are. */
  headers: Readonly<Record<string, string>> | undefined;
  subject: string;
  text: string | undefined;
  html: string | undefined;
  attachments: readonly DraftAttachment[];
  metadata: Readonly<Record<string, unknown>> | undefined;
  /** Not before this time. */
  sendAt: Date | undefined;
}

export interface DraftLimits {
  /** Bytes of one attachment, decoded. */
  maxAttachmentBytes: number;
  now: Date;
}

const mostRecipients = 1000;
const mostMetadataBytes = 64 * 1024;
const deepestMetadata = 32;

/**
 * Checks everything and returns the draft; `large` finds content that is not in memory. Throws one problem that names
 * every faulty field; `empty_body` and `attachment_too_large` have codes of their own.
 */
export function draftMail(input: MailInput, limits: DraftLimits, large?: LargeContent): Draft {
  const faults: Detail[] = [];
  const [from] = parseList([input.from], () => "from", faults);
  const lists = parseRecipients(input, faults);
  if (hasControls(input.subject)) faults.push({ field: "subject", message: "must not contain control characters" });
  for (const field of ["subject", "body", "html"] as const) {
    const message = unstorable(input[field] ?? "");
    if (message) faults.push({ field, message });
  }
  const sendAt = input.send_at === undefined ? undefined : parseSendAt(input.send_at, limits.now);
  if (typeof sendAt === "string") faults.push({ field: "send_at", message: sendAt });
  if (input.metadata) faults.push(...metadataFaults(input.metadata, large));
  const attachments = checkAttachments(input.attachments ?? [], limits.maxAttachmentBytes, faults, large);
  if (faults.length > 0 || !from || typeof sendAt === "string") throw invalid(faults);
  if (!input.body && !input.html) throw emptyBody({ details: [{ field: "body", message: "or html is required" }] });
  return {
    from,
    ...lists,
    replyTo: [],
    headers: undefined,
    subject: input.subject,
    text: input.body || undefined,
    html: input.html || undefined,
    attachments,
    metadata: input.metadata,
    sendAt,
  };
}

/** One problem for all faults; its message is the first of them. */
export function invalid(faults: readonly Detail[]): Problem {
  const [first] = faults;
  const message = first && { message: `${first.field} ${first.message}` };
  return problems.invalidRequest({ details: faults.slice(0, 20), ...message });
}

/** Parses all recipients. One that is named twice gets one copy: `to` comes before `cc`, `cc` before `bcc`. */
function parseRecipients(input: MailInput, faults: Detail[]): Pick<Draft, "to" | "cc" | "bcc"> {
  const given = { to: input.to, cc: input.cc ?? [], bcc: input.bcc ?? [] };
  const count = given.to.length + given.cc.length + given.bcc.length;
  if (count > mostRecipients) {
    faults.push({ field: "to", message: `with cc and bcc has ${count} recipients; ${mostRecipients} is the most` });
    return { to: [], cc: [], bcc: [] };
  }
  const seen = new Set<string>();
  const unique = (field: "to" | "cc" | "bcc") =>
    parseList(given[field], (index) => `${field}[${index}]`, faults).filter(({ address }) => {
      // SendGrid refuses a mail that names one address twice, in whatever case.
      const key = address.toLowerCase();
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  return { to: unique("to"), cc: unique("cc"), bcc: unique("bcc") };
}

function parseList(texts: readonly string[], field: (index: number) => string, faults: Detail[]): Address[] {
  const parsed: Address[] = [];
  texts.forEach((text, index) => {
    const result = parseAddress(text);
    if (typeof result === "string") faults.push({ field: field(index), message: result });
    else parsed.push(result);
  });
  return parsed;
}

/** PostgreSQL holds no NUL in a text, and UTF-8 has no lone surrogates. */
function unstorable(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain NUL";
  if (!text.isWellFormed()) return "is not valid Unicode (it has half of a surrogate pair)";
  return undefined;
}

/** Metadata is the client's own; it must be small, not too deep, and storable. Walked without recursion. */
function metadataFaults(metadata: Readonly<Record<string, unknown>>, large?: LargeContent): Detail[] {
  const fault = (message: string): Detail[] => [{ field: "metadata", message }];
  const waiting: { value: unknown; depth: number }[] = [{ value: metadata, depth: 1 }];
  let bytes = 0;
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { value, depth } = next;
    if (depth > deepestMetadata) return fault(`is nested more than ${deepestMetadata} levels deep`);
    if (typeof value === "string") {
      const message = unstorable(value);
      if (message) return fault(message);
      bytes += large?.(value) ? mostMetadataBytes : Buffer.byteLength(value) + 2;
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        const message = unstorable(key);
        if (message) return fault(message);
        bytes += Buffer.byteLength(key) + 4;
        waiting.push({ value: inner, depth: depth + 1 });
      }
    } else {
      bytes += 8;
    }
    if (bytes > mostMetadataBytes) return fault(`is larger than ${mostMetadataBytes / 1024} KB`);
  }
  return [];
}
