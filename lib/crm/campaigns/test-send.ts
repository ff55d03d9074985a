/** A campaign to a few members, before everybody gets it. */
import type { Context } from "../../../runtime/context.ts";
import { lineOutcome } from "../line/outcome.ts";
import { invalid } from "../problems.ts";
import { prepareTemplate } from "../templates/render.ts";
import { readTemplate } from "../templates/store.ts";
import { linksOf } from "../tracking/link.ts";
import { assertRenders, lineOf } from "./send.ts";
import { readCampaign } from "./store.ts";

export interface TestSent {
  member_id: number;
  status: "sent" | "failed";
  error_message: string | null;
}

const pushLimitMs = 15_000;

/**
 * Sends the campaign as it is now to members by name, whatever its audience; it counts nowhere. Returns with what LINE
 * said of each. Throws `campaign_not_found`, `cannot_render`, `line_not_set`, or `invalid_request` for members that
 * cannot get it.
 */
export async function testCampaign(ctx: Context, id: number, memberIds: readonly number[]): Promise<TestSent[]> {
  const campaign = await readCampaign(ctx, id);
  const template = await readTemplate(ctx.db, campaign.template_id);
  assertRenders(template);
  const line = lineOf(ctx);
  const members = await reachable(ctx, [...new Set(memberIds)]);
  const links = linksOf(ctx, id);
  const prepared = prepareTemplate(template);
  return await Promise.all(
    members.map(async ({ id: member_id, line_uid }): Promise<TestSent> => {
      const messages = prepared.json(links(campaign.tracking === "member" ? member_id : null));
      const answer = await line.push(line_uid, messages, ctx.clock.uuid(), AbortSignal.timeout(pushLimitMs));
      const outcome = lineOutcome(answer, { recipients: 1, keyed: true }, ctx.clock.now().getTime());
      if (outcome.kind === "accepted") return { member_id, status: "sent", error_message: null };
      return { member_id, status: "failed", error_message: outcome.reason };
    }),
  );
}

async function reachable({ db }: Context, ids: readonly number[]): Promise<{ id: number; line_uid: string }[]> {
  const { rows } = await db.query<{ id: number; line_uid: string | null; blocked: boolean }>(
    `SELECT id::float8 AS id, line_uid, blocked_at IS NOT NULL AS blocked FROM members WHERE id = ANY($1::bigint[])`,
    [ids],
  );
  const known = new Map(rows.map((row) => [row.id, row]));
  const faults = ids.flatMap((id) => {
    const member = known.get(id);
    if (!member) return [`${id} is no member`];
    if (member.line_uid === null) return [`${id} has no LINE account`];
    return member.blocked ? [`${id} has blocked the account`] : [];
  });
  if (faults.length > 0) throw invalid(...faults.map((message) => ({ field: "member_ids", message })));
  return rows.flatMap(({ id, line_uid }) => (line_uid === null ? [] : [{ id, line_uid }]));
}
