/** E-mail addresses, parsed strictly and once: what comes out is what is stored, routed and sent. */
import { domainToASCII } from "node:url";

export interface Address {
  /** The address itself; its domain in lower case and, where it was international, in ASCII (RFC 5890). */
  readonly address: string;
  readonly domain: string;
  /** Display name, when one was given. */
  readonly name: string | undefined;
}

/** A dot-string of RFC 5321, section 4.1.2. Quoted local parts are refused: providers read them differently. */
const localPattern = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/;
const labelPattern = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;
/** `Name <address>`; the name may be quoted. */
const namedPattern = /^(?:"((?:[^"\\]|\\.)*)"|([^"<>]*?))\s*<([^<>]*)>$/;

/** Whether a text has characters that must not reach a header: CR, LF, NUL and the other controls. */
export function hasControls(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text);
}

/**
 * Parses `user@example.com` or `Name <user@example.com>`. Returns a sentence that says what is wrong instead, ready
 * to follow the name of the field.
 */
export function parseAddress(text: string): Address | string {
  if (hasControls(text)) return "must not contain control characters";
  const trimmed = text.trim();
  const named = trimmed.endsWith(">") ? namedPattern.exec(trimmed) : null;
  const raw = (named ? (named[3] ?? "") : trimmed).trim();
  const at = raw.lastIndexOf("@");
  if (at < 0) return "must be an e-mail address, such as user@example.com";
  const local = raw.slice(0, at);
  if (local.length > 64) return "has more than 64 characters before the @";
  if (!localPattern.test(local)) return "has characters before the @ that are not taken (quoted names are not either)";
  const domain = parseDomain(raw.slice(at + 1));
  if (!domain) return "must have a full domain name after the @, such as example.com";
  const address = `${local}@${domain}`;
  if (address.length > 254) return "is longer than 254 characters";
  const name = named ? (named[1]?.replaceAll(/\\(.)/g, "$1") ?? named[2] ?? "").trim() : "";
  if (name.length > 200) return "has a name of more than 200 characters";
  if (!name.isWellFormed()) return "has a name that is not valid Unicode";
  return { address, domain, name: name === "" ? undefined : name };
}

/** What is ASCII already, and no address of a host in any notation: most domains, and looked at several times a mail. */
const plainDomain = /^(?!.*xn--)[a-z\d.-]+\.[a-z][a-z-]*$/i;

/** A domain of at least two labels in lower-case ASCII, or undefined. */
function parseDomain(text: string): string | undefined {
  // `domainToASCII` reads a domain as a URL's host: it would take addresses of hosts, and cut at some characters.
  if (/[^\p{L}\p{M}\p{N}.-]/u.test(text)) return undefined;
  const ascii = plainDomain.test(text) ? text.toLowerCase() : domainToASCII(text);
  const labels = ascii.split(".");
  const last = labels.at(-1) ?? "";
  const fits = labels.length >= 2 && labels.every((label) => labelPattern.test(label)) && !/^\d+$/.test(last);
  return fits && ascii.length <= 253 ? ascii : undefined;
}

/** How an address is shown in logs: the first two letters and the domain; nothing of what is no address. */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf("@");
  if (at < 0) return "***";
  return `${address.slice(0, Math.min(2, at))}***${address.slice(at)}`;
}
