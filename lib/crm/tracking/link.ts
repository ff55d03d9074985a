/**
 * Links and postbacks that say who tapped what: written into each message, signed, so that nobody can make one up.
 *
 * A link is `{PUBLIC_URL}/r/<campaign, place, tags and address>~<member>~<code>`: all that a tap needs is in it, so that
 * it leads on while the database is away. Only the last two parts differ from member to member.
 */
import { timingSafeEqual } from "node:crypto";
import type { Context } from "../../../runtime/context.ts";
import type { Destination, Link, LinkPlace } from "../templates/template.ts";

/** What was tapped. */
export interface Tapped {
  /** Null outside campaigns: an answer, or what a user wrote. */
  campaignId: number | null;
  kind: LinkPlace["kind"];
  /** From 0, as the template shows them. */
  index: number;
  tagIds: number[];
}

export interface TappedLink extends Tapped {
  memberId: number;
  /** Where it leads to: what was signed. */
  url: string;
}

export type TappedPlace = Pick<LinkPlace, "kind" | "index" | "tagIds">;

/** LINE's limits of an action: its `uri`, its `data`. https://developers.line.biz/en/reference/messaging-api/#action-objects */
export const mostUriCharacters = 1000;
export const mostPostbackCharacters = 300;

/** 128 bits: nobody finds one by trying (NIST SP 800-107, 5.3.4). */
const codeBytes = 16;
const code = /^[\w-]{22}$/;

/**
 * The links of one campaign's messages, made ready so that little is left to do for each member (about 5 µs). Without a
 * member (many get the same message) addresses stay as they are, and only postbacks tell of a tap.
 */
export function linksOf(
  ctx: Pick<Context, "secrets" | "config">,
  campaignId: number | null,
): (memberId: number | null) => Link {
  const postbacks = new Map<string, Destination>();
  const links = new Map<string, (memberId: number) => string>();
  return (memberId) => (place) => {
    const key = `${place.kind}${place.index} ${place.tagIds.join()} ${place.url ?? ""}`;
    if (place.url === null) {
      return kept(postbacks, key, () => ({ data: postbackData(ctx, { campaignId, ...place }) }));
    }
    if (memberId === null) return { uri: place.url };
    const url = place.url;
    return { uri: kept(links, key, () => prepareLink(ctx, { campaignId, ...place, url }))(memberId) };
  };
}

function kept<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** One link. Many of the same place: `prepareLink` or `linksOf`. */
export function signLink(
  ctx: Pick<Context, "secrets" | "config">,
  { memberId, ...place }: TappedPlace & { campaignId: number | null; memberId: number; url: string },
): string {
  return prepareLink(ctx, place)(memberId);
}

/**
 * The link of one place, for any member. What cannot be redirected to (`tel:`, `line:`), or would be longer than LINE
 * allows (addresses of more than about 600 bytes), stays the address itself.
 */
export function prepareLink(
  { secrets, config }: Pick<Context, "secrets" | "config">,
  { url, ...place }: TappedPlace & { campaignId: number | null; url: string },
): (memberId: number) => string {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target?.protocol !== "https:" && target?.protocol !== "http:") return () => url;
  const shared = Buffer.from(`${written(place)} ${shortest(target.href)}`).toString("base64url");
  const start = `${config.publicUrl}/r/`;
  return (memberId) => {
    const text = `${shared}~${memberId}`;
    const link = `${start}${text}~${codeOf(secrets.macs(text, "links")[0])}`;
    return link.length > mostUriCharacters ? url : link;
  };
}

/** What a link says; undefined unless it was signed here, under any of the keys. */
export function openLink({ secrets }: Pick<Context, "secrets">, signed: string): TappedLink | undefined {
  const [, text = "", shared = "", member = "", given = ""] = /^(([\w-]+)~(\d{1,16}))~([\w-]+)$/.exec(signed) ?? [];
  if (!isSigned(secrets, text, "links", given)) return undefined;
  const [campaign, place, tags, url] = Buffer.from(shared, "base64url").toString().split(" ");
  const tapped = read([campaign, place, tags]);
  if (!tapped || url === undefined) return undefined;
  return { ...tapped, memberId: Number(member), url: new URL(url).href };
}

/** The `data` of a postback: who tapped is told by its event. */
export function postbackData(
  { secrets }: Pick<Context, "secrets">,
  place: TappedPlace & { campaignId: number | null },
): string {
  const text = written(place);
  return `tap ${text} ${codeOf(secrets.macs(text, "postbacks")[0])}`;
}

/** What a postback says; undefined for one that was not signed here. */
export function openPostback({ secrets }: Pick<Context, "secrets">, data: string): Tapped | undefined {
  if (data.length > mostPostbackCharacters) return undefined;
  const [, text = "", given = ""] = /^tap (\S+ \S+ \S+) ([\w-]+)$/.exec(data) ?? [];
  return isSigned(secrets, text, "postbacks", given) ? read(text.split(" ")) : undefined;
}

function written({ campaignId, kind, index, tagIds }: TappedPlace & { campaignId: number | null }): string {
  return `${campaignId ?? 0} ${kind}${index} ${tagIds.join() || "-"}`;
}

function read([campaign = "", place = "", tags = ""]: (string | undefined)[]): Tapped | undefined {
  const [, kind, index] = /^(button|item)(\d+)$/.exec(place) ?? [];
  if (kind !== "button" && kind !== "item") return undefined;
  const tagIds = tags === "-" ? [] : tags.split(",").map(Number);
  return { campaignId: Number(campaign) || null, kind, index: Number(index), tagIds };
}

/** Characters beyond ASCII take a third of their percent-encoded room. */
function shortest(href: string): string {
  try {
    const short = href.replaceAll(/(?:%[89A-F][\dA-F])+/g, decodeURIComponent);
    return new URL(short).href === href ? short : href;
  } catch {
    return href;
  }
}

function codeOf(mac: Buffer): string {
  return mac.toString("base64url", 0, codeBytes);
}

/** Compares with the code of every key, in a time that tells nothing about any. */
function isSigned(secrets: Context["secrets"], text: string, purpose: string, given: string): boolean {
  if (!code.test(given)) return false;
  const bytes = Buffer.from(given, "base64url");
  const equal = secrets.macs(text, purpose).filter((mac) => timingSafeEqual(mac.subarray(0, codeBytes), bytes));
  return equal.length > 0;
}
