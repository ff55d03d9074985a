/** What the headers of a received message say. Pure. */
import { problems } from "../../../runtime/problem.ts";
import { parseAddress, type Address } from "../address.ts";
import type { Headers } from "./bare-parser.ts";
import type { ParsedAddress, ParsedAddresses } from "./mailparser.ts";

const longestName = 200;
/** RFC 5322, section 2.1.1: of a line. */
const longestSubject = 998;
const longestHeader = 2000;

/** Headers that go on as they are: by these, answers find their thread, and machines do not answer machines. */
const kept = [
  "In-Reply-To",
  "References",
  "Auto-Submitted",
  "Precedence",
  "Importance",
  "X-Priority",
  "List-Unsubscribe",
  "List-Unsubscribe-Post",
] as const;

/**
 * Who sends a message: its From, or without one the envelope's sender. Throws `invalid_request` where there is no such
 * address, or more than one From: programs differ in which of them they show.
 */
export function senderOf(headers: Headers, headerKeys: readonly string[], envelopeFrom: string): Address {
  const fault = (message: string) => problems.invalidRequest({ message });
  const count = headerKeys.filter((key) => key === "from").length;
  if (count > 1) throw fault(`The message has ${count} From headers; there must be one`);
  const [first] = addressesOf(headers, "from");
  if (count === 0) {
    const parsed = parseAddress(envelopeFrom);
    if (typeof parsed === "string") throw fault("The message has no sender: neither From nor MAIL FROM names one");
    return parsed;
  }
  const parsed = named(first);
  if (!parsed) throw fault("The From of the message has no address that mail can be sent as");
  return parsed;
}

/** The addresses of a header, those of groups as well; what is none is left out. */
export function recipientsIn(headers: Headers, name: "to" | "cc" | "reply-to"): Address[] {
  return addressesOf(headers, name)
    .map(named)
    .filter((address) => address !== undefined);
}

/** Never empty: providers insist. */
export function subjectOf(headers: Headers): string {
  const given = headers.get("subject");
  const subject = typeof given === "string" ? cut(clean(given), longestSubject).trim() : "";
  return subject === "" ? "(no subject)" : subject;
}

/** Undefined where there are none. */
export function keptHeaders(lines: readonly { key: string; line: string }[]): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  for (const name of kept) {
    const [line] = lines.filter(({ key }) => key === name.toLowerCase());
    const value =
      line?.line
        .slice(name.length + 1)
        .replaceAll(/\s+/g, " ")
        .trim() ?? "";
    if (/^[ -~]+$/.test(value) && value.length <= longestHeader) found[name] = value;
  }
  return Object.keys(found).length > 0 ? found : undefined;
}

/** A text for one line: control characters, with the white space around them, are a space; half of a character is none. */
export function clean(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\s\p{Cc}]+/gu, (run) => (/[\p{Cc}\u2028\u2029]/u.test(run) ? " " : run))
    .trim();
}

/** Between characters. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const end = text.charCodeAt(length - 1);
  return text.slice(0, end >= 0xd800 && end <= 0xdbff ? length - 1 : length);
}

function addressesOf(headers: Headers, name: string): ParsedAddress[] {
  const given = headers.get(name);
  const lists = (Array.isArray(given) ? given : [given]) as (ParsedAddresses | undefined)[];
  return lists.flatMap((list) => (list ? flat(list.value) : []));
}

function flat(addresses: readonly ParsedAddress[]): ParsedAddress[] {
  return addresses.flatMap((one) => (one.group ? flat(one.group) : one.address ? [one] : []));
}

function named(given: ParsedAddress | undefined): Address | undefined {
  const parsed = given?.address === undefined ? "" : parseAddress(given.address);
  if (typeof parsed === "string") return undefined;
  const name = cut(clean(given?.name ?? ""), longestName);
  return { ...parsed, name: name === "" ? undefined : name };
}
