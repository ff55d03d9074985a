/** A guest follows a link: it counts, where it can, and leads on in any case. */
import { setTimeout as pause } from "node:timers/promises";
import type { Context } from "../../../runtime/context.ts";
import { Problem } from "../../../runtime/problem.ts";
import { isUnavailable } from "../../resources/database.ts";
import { openLink, type TappedLink } from "./link.ts";
import { recordTaps } from "./tap.sql.ts";

export const notALink = Problem.kind(404, "not_a_link", "This link is not one of ours, or is not whole");

/** A guest waits no longer than this for the click to be recorded, in milliseconds. */
const mostWaitMs = 1000;

/** What asks before a person does, and says so: `line-poker` is what LINE fetches previews with. */
const robots =
  /bot\b|crawl|spider|slurp|preview|line-poker|facebookexternalhit|slack-imgproxy|slackbot|whatsapp|skypeuripreview/i;

export interface Visitor {
  method: string;
  header(name: string): string | undefined;
}

/** Whether somebody looks, and not a program that looks ahead. */
export function isPerson(visitor: Visitor): boolean {
  if (visitor.method !== "GET") return false;
  const purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map((name) => visitor.header(name));
  if (purposes.some((purpose) => purpose !== undefined && /prefetch|preview/i.test(purpose))) return false;
  return !robots.test(visitor.header("user-agent") ?? "");
}

/**
 * Where a signed link leads to. A person's tap is recorded: returns once it is, or has taken too long, or cannot be while
 * the database is away. Throws for what was not signed here.
 */
export async function followLink(ctx: Context, signed: string, visitor: Visitor): Promise<string> {
  const link = openLink(ctx, signed);
  if (!link) throw notALink();
  ctx.tag({ campaign_id: link.campaignId ?? undefined, member_id: link.memberId });
  if (isPerson(visitor)) {
    const recorded = recordClick(ctx, link);
    ctx.defer(recorded);
    await Promise.race([recorded, pause(mostWaitMs, undefined, { ref: false })]);
  }
  return link.url;
}

/** Never fails: what cannot be recorded is logged. */
async function recordClick(ctx: Context, { memberId, campaignId, tagIds }: TappedLink): Promise<void> {
  const at = ctx.clock.now().toISOString();
  const row = { member_id: memberId, campaign_id: campaignId, tag_ids: tagIds, source: "click", at } as const;
  try {
    await ctx.db.batch(recordTaps, row);
  } catch (error) {
    if (isUnavailable(error)) ctx.log.warn({ err: error }, "a click was not recorded: PostgreSQL is away");
    else ctx.log.error({ err: error }, "a click was not recorded");
  }
}
