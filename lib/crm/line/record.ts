/** What an event does to the database: all of it, and once. */
import type { Context } from "../../../runtime/context.ts";
import { chooseRule, type Asked, type Choice } from "../auto-responses/choose.ts";
import { activeRules } from "../auto-responses/rules.ts";
import { secondOfDay } from "../hotel-time.ts";
import { templateMessage, textMessage, type WrittenMessage } from "../messages/written.ts";
import { readTemplate } from "../templates/store.ts";
import type { Template } from "../templates/template.ts";
import { openPostback, type Tapped } from "../tracking/link.ts";
import { recordTaps, type TapRow } from "../tracking/tap.sql.ts";
import type { AnswerState, ClaimedEvent } from "./events.sql.ts";
import { recordEvents, type RecordedRow, type RecordRow } from "./record.sql.ts";

export interface Recorded {
  memberId: number;
  isNameless: boolean;
  /** Null: there is nothing to say, and the event has been handled. */
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
  const tapped = event.content?.postback && openPostback(ctx, event.content.postback.data);
  const row: RecordRow = {
    id,
    attempt,
    rule_id: choice?.rule.id ?? null,
    keyword_id: choice?.keywordId ?? null,
    answer: choice ? textMessage(choice.rule.content) : null,
    answer_state: choice ? (event.content?.replyToken ? "replying" : "pushing") : null,
  };
  const recorded = (recordedRow: RecordedRow, answer: WrittenMessage | null): Recorded => ({
    memberId: recordedRow.member_id,
    isNameless: recordedRow.is_nameless,
    answer: recordedRow.is_answered ? answer : null,
    answerState: recordedRow.is_answered ? row.answer_state : null,
  });
  if (template || tapped) {
    const found = await recordAlone(ctx, row, { event, template, tapped });
    return found && recorded(found.row, found.answer);
  }
  const [found] = await ctx.db.batch(recordEvents, row);
  return found && recorded(found, row.answer);
}

interface More {
  event: ClaimedEvent;
  template: Template | undefined;
  tapped: Tapped | undefined;
}

/** What needs to know the member before it is complete: a template's links, a tap. In a transaction of its own. */
async function recordAlone(
  ctx: Context,
  row: RecordRow,
  { event, template, tapped }: More,
): Promise<{ row: RecordedRow; answer: WrittenMessage | null } | undefined> {
  return await ctx.db.transaction(async (tx) => {
    const { rows } = await tx.query<RecordedRow & Record<string, unknown>>(recordEvents.sql, [
      JSON.stringify([{ ...row, i: 0 }]),
    ]);
    const [found] = rows;
    if (!found) return undefined;
    if (tapped) {
      const { campaignId, tagIds } = tapped;
      const at = event.occurred_at.toISOString();
      const tap: TapRow = {
        member_id: found.member_id,
        campaign_id: campaignId,
        tag_ids: tagIds,
        source: "interaction",
        at,
      };
      await tx.query(recordTaps.sql, [JSON.stringify([{ ...tap, i: 0 }])]);
    }
    if (!template) return { row: found, answer: row.answer };
    const answer = templateMessage(ctx, template, found.member_id);
    await tx.query("UPDATE line_events SET answer = $2 WHERE id = $1 AND answer IS NOT NULL", [
      row.id,
      JSON.stringify(answer),
    ]);
    return { row: found, answer };
  });
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
