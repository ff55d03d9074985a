/** What SendGrid's v3 Mail Send API refuses, and with which words. Pure. */
import type { IncomingHttpHeaders } from "node:http";

export interface Refusal {
  status: number;
  message: string;
  field?: string;
  help?: string;
}

export interface Given {
  method: string | undefined;
  path: string | undefined;
  headers: IncomingHttpHeaders;
  key: string;
  body: Record<string, unknown>;
  /** The body is no JSON object. */
  fault: boolean;
}

/** The first thing that SendGrid would refuse, or undefined when it would accept the mail. */
export function refusal({ method, path, headers, key, body, fault }: Given): Refusal | undefined {
  if (path !== "/v3/mail/send") return { status: 404, message: "not found" };
  if (method !== "POST") return { status: 405, message: "method not allowed" };
  if (headers.authorization !== `Bearer ${key}`) {
    return { status: 401, message: "The provided authorization grant is invalid, expired, or revoked" };
  }
  if (!/^application\/json\b/i.test(headers["content-type"] ?? "")) {
    return { status: 415, message: "Content-Type should be application/json." };
  }
  if (fault) return bad("", "Bad Request");
  return envelope(body) ?? content(body) ?? attachments(body["attachments"]) ?? extras(body);
}

function envelope(body: Record<string, unknown>): Refusal | undefined {
  if (!isEmail(body["from"])) {
    return bad(
      "from",
      "The from object must be provided for every email send. It is an object that requires the email parameter.",
    );
  }
  const all = body["personalizations"];
  if (!Array.isArray(all) || all.length === 0) {
    return bad(
      "personalizations",
      "The personalizations field is required and must have at least one personalization.",
    );
  }
  if (all.length > 1000) return bad("personalizations", "There is a limit of 1000 personalizations.");
  for (const [index, one] of all.entries()) {
    const at = `personalizations.${index}`;
    if (!isRecord(one)) return bad(at, "A personalization is an object.");
    const wrong = recipients(one, at);
    if (wrong) return wrong;
    if (!isText(one["subject"]) && !isText(body["subject"])) return bad("subject", "The subject is required.");
  }
  return undefined;
}

function recipients(one: Record<string, unknown>, at: string): Refusal | undefined {
  const seen = new Set<string>();
  let count = 0;
  if (!Array.isArray(one["to"])) return bad(`${at}.to`, "The to array is required for all personalization objects.");
  for (const field of ["to", "cc", "bcc"] as const) {
    const list = one[field];
    if (list === undefined) continue;
    if (!Array.isArray(list) || list.length === 0) {
      return bad(`${at}.${field}`, `The ${field} array must have at least one object with an email parameter.`);
    }
    for (const [index, who] of list.entries()) {
      if (!isEmail(who)) return bad(`${at}.${field}.${index}.email`, "Does not contain a valid address.");
      // The service takes it and drops it later; the documentation says that it is no name.
      if (/[;,]/.test(String(who["name"] ?? ""))) return bad(`${at}.${field}.${index}.name`, "Cannot include ; or ,");
      const address = who.email.toLowerCase();
      if (seen.has(address)) {
        return bad(
          at,
          `Each email address in the personalization block should be unique between to, cc, and bcc. We found the first duplicate instance of [${who.email}].`,
        );
      }
      seen.add(address);
      count++;
    }
  }
  return count > 1000 ? bad(at, "There are more than 1000 recipients.") : undefined;
}

function content(body: Record<string, unknown>): Refusal | undefined {
  const parts = body["content"];
  if (!Array.isArray(parts) || parts.length === 0) {
    return bad("content", "Unless a valid template_id is provided, the content parameter is required.");
  }
  const types: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (!isRecord(part) || !isText(part["type"]) || !isText(part["value"])) {
      return bad(`content.${index}.value`, "The content value must be a string at least one character in length.");
    }
    if (/[;\r\n]/.test(part["type"]))
      return bad(`content.${index}.type`, "The content type cannot contain ';', or CRLF.");
    types.push(part["type"]);
  }
  const [plain, html] = [types.indexOf("text/plain"), types.indexOf("text/html")];
  if (plain > 0 || (html >= 0 && html !== (plain < 0 ? 0 : 1))) {
    return bad(
      "content",
      "If present, text/plain must be first, followed by text/html, followed by any other content.",
    );
  }
  return undefined;
}

function attachments(files: unknown): Refusal | undefined {
  if (files === undefined) return undefined;
  if (!Array.isArray(files) || files.length === 0)
    return bad("attachments", "The attachments array must not be empty.");
  for (const [index, file] of files.entries()) {
    const at = `attachments.${index}`;
    if (!isRecord(file) || !isText(file["filename"]) || /[;,\r\n]/.test(file["filename"])) {
      return bad(`${at}.filename`, "The filename is required and cannot contain ';', ',' or CRLF.");
    }
    const { content: base64, type } = file;
    if (!isText(base64) || base64.length % 4 !== 0 || !/^[A-Za-z\d+/]+={0,2}$/.test(base64)) {
      return bad(`${at}.content`, "The attachment content must be base64 encoded.");
    }
    if (type !== undefined && (!isText(type) || /[;,\r\n]/.test(type))) {
      return bad(`${at}.type`, "The attachment type cannot contain ';', or CRLF.");
    }
  }
  return undefined;
}

/** Headers that belong to SendGrid, and texts about the mail that are too long. */
function extras(body: Record<string, unknown>): Refusal | undefined {
  const reserved =
    /^(x-sg-id|x-sg-eid|received|dkim-signature|content-type|content-transfer-encoding|to|from|subject|reply-to|cc|bcc)$/i;
  const own = isRecord(body["headers"]) ? Object.keys(body["headers"]).find((name) => reserved.test(name)) : undefined;
  if (own) return bad("headers", `The header ${own} is reserved.`);
  if (Buffer.byteLength(JSON.stringify(body["custom_args"] ?? {})) >= 10_000) {
    return bad("custom_args", "The custom arguments are not smaller than 10,000 bytes.");
  }
  const settings = body["mail_settings"];
  const sandbox = isRecord(settings) ? settings["sandbox_mode"] : undefined;
  if (sandbox !== undefined && !(isRecord(sandbox) && typeof sandbox["enable"] === "boolean")) {
    return bad("mail_settings.sandbox_mode.enable", "The sandbox mode enable param should be a boolean value.");
  }
  return undefined;
}

function bad(field: string, message: string): Refusal {
  const help = `http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message.${field}`;
  return { status: 400, message, field, help };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isEmail(value: unknown): value is Record<string, unknown> & { email: string } {
  return (
    isRecord(value) && typeof value["email"] === "string" && /^[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+$/.test(value["email"])
  );
}
