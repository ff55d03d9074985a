/** What an event does to the database: all of it, and once, in one transaction. */
import type { Context } from "../../../runtime/context.ts";
import type { Queryable } from "../../resources/database.ts";
import { chooseRule, type Asked, type Choice } from "../auto-responses/choose.ts";
import { activeRules } from "../auto-responses/rules.ts";
import { secondOfDay } from "../hotel-time.ts";
import { templateMessage, textMessage, type WrittenMessage } from "../messages/written.ts";
import { readTemplate } from "../templates/store.ts";
import type { Template } from "../templates/template.ts";
import { openPostback } from "../tracking/link.ts";
import { recordTaps, type TapRow } from "../tracking/tap.sql.ts";
import type { AnswerState, ClaimedEvent } from "./events.sql.ts";

export interface Recorded {
  memberId: number;
  /** The member has no name yet. */
  isNameless: boolean;
  answer: WrittenMessage | null;
  answerState: AnswerState | null;
}

/** An answer that comes later than this is none any more. */
const mostAnswerAgeMs = 24 * 60 * 60 * 1000;

/**
 * Records the event, and which answer it is to get. What is to be said to LINE first is committed with it, so that nobody
 * who takes the event over says it again. Undefined when the lease was lost: then nothing was recorded.
 */
export async function recordEvent(
  ctx: Context,
  id: number,
  attempt: number,
  event: ClaimedEvent,
): Promise<Recorded | undefined> {
  const choice = await choiceFor(ctx, event);
  const template = choice?.rule.templateId ? await readTemplate(ctx.db, choice.rule.templateId) : undefined;
  try {
    return await ctx.db.transaction(async (tx) => {
      const member = await findMember(tx, event);
      await recordContent(ctx, tx, event, member.id);
      const written = choice && !member.isBlocked ? writtenFor(ctx, choice, template, member.id) : null;
      const answer = choice && written && (await countTrigger(tx, choice)) ? written : null;
      const answerState = answer && (event.content?.replyToken ? "replying" : "pushing");
      const { rowCount } = await tx.query(
        `UPDATE line_events SET recorded_at = now(), member_id = $3, auto_response_id = $4, answer = $5, answer_state = $6
         WHERE id = $1 AND attempt = $2 AND state = 'handling' AND recorded_at IS NULL`,
        [id, attempt, member.id, answer && choice?.rule.id, answer && JSON.stringify(answer), answerState],
      );
      if (rowCount !== 1) throw new LeaseLost();
      return { memberId: member.id, isNameless: member.isNameless, answer, answerState };
    });
  } catch (error) {
    if (error instanceof LeaseLost) return undefined;
    throw error;
  }
}

class LeaseLost extends Error {}

/** With the rule's template where it has one. */
function writtenFor(
  ctx: Context,
  { rule }: Choice,
  template: Template | undefined,
  memberId: number,
): WrittenMessage | null {
  if (template) return templateMessage(ctx, template, memberId);
  return rule.content.trim() === "" ? null : textMessage(rule.content);
}

async function choiceFor(ctx: Context, { type, occurred_at: at, content }: ClaimedEvent): Promise<Choice | undefined> {
  if (!ctx.line || content?.isStandby || ctx.clock.now().getTime() - at.getTime() > mostAnswerAgeMs) return undefined;
  let asked: Asked;
  if (type === "follow") asked = { kind: "follow" };
  else if (type === "message") {
    const text = content?.message?.type === "text" ? content.message.text : null;
    asked = { kind: "message", text, second: secondOfDay(at) };
  } else return undefined;
  return chooseRule(await activeRules(ctx), asked);
}

/**
 * Finds the member or makes him. Events come in any order: an older follow or unfollow never undoes what a newer one did.
 */
async function findMember(
  tx: Queryable,
  { type, line_uid, occurred_at }: ClaimedEvent,
): Promise<{ id: number; isNameless: boolean; isBlocked: boolean }> {
  const { rows } = await tx.query<{ id: number; isNameless: boolean; isBlocked: boolean }>(
    `INSERT INTO members AS member (line_uid, source, friended_at, blocked_at, last_interaction_at)
     VALUES ($1, 'line', CASE WHEN $2 = 'follow' THEN $3::timestamptz END,
             CASE WHEN $2 = 'unfollow' THEN $3::timestamptz END, CASE WHEN $2 <> 'unfollow' THEN $3::timestamptz END)
     ON CONFLICT (line_uid) DO UPDATE SET
       friended_at = greatest(member.friended_at, excluded.friended_at),
       blocked_at = CASE
         WHEN $2 = 'follow' AND $3 >= member.blocked_at THEN NULL
         WHEN $2 = 'unfollow' AND (member.friended_at IS NULL OR $3 > member.friended_at)
           THEN greatest(member.blocked_at, $3)
         ELSE member.blocked_at END,
       last_interaction_at = greatest(member.last_interaction_at, excluded.last_interaction_at)
     RETURNING id::float8, line_display_name IS NULL AS "isNameless", blocked_at IS NOT NULL AS "isBlocked"`,
    [line_uid, type, occurred_at],
  );
  const [member] = rows;
  if (!member) throw new Error("a member was neither found nor made");
  return member;
}

async function recordContent(
  ctx: Context,
  tx: Queryable,
  { content, occurred_at: at }: ClaimedEvent,
  memberId: number,
): Promise<void> {
  if (content?.message) {
    await tx.query(
      `INSERT INTO messages (member_id, content, direction, message_type, created_at)
       VALUES ($1, $2, 'incoming', $3, $4)`,
      [memberId, content.message.text, content.message.type === "image" ? "image" : "text", at],
    );
  }
  const tapped = content?.postback && openPostback(ctx, content.postback.data);
  if (!tapped) return;
  const tap: TapRow & { i: number } = {
    i: 0,
    member_id: memberId,
    campaign_id: tapped.campaignId,
    tag_ids: tapped.tagIds,
    source: "interaction",
    at: at.toISOString(),
  };
  await tx.query(recordTaps.sql, [JSON.stringify([tap])]);
}

/** Last, because events of one rule wait here for each other. False when the rule has gone in the meantime. */
async function countTrigger(tx: Queryable, { rule, keywordId }: Choice): Promise<boolean> {
  const { rowCount } = await tx.query(
    "UPDATE auto_responses SET trigger_count = trigger_count + 1 WHERE id = $1 AND is_active",
    [rule.id],
  );
  if (rowCount !== 1) return false;
  if (keywordId !== null)
    await tx.query("UPDATE auto_response_keywords SET match_count = match_count + 1 WHERE id = $1", [keywordId]);
  return true;
}
