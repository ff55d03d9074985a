/** Beginning to send: the quota is asked, the audience frozen, and batches go to the queue. */
import { DatabaseError } from "pg";
import type { Context } from "../../../runtime/context.ts";
import { Problem, problems } from "../../../runtime/problem.ts";
import type { Line } from "../../resources/line.ts";
import { LineUnavailable, type LineQuota } from "../../resources/line-reads.ts";
import type { Queryable } from "../../resources/database.ts";
import { campaignNotFound } from "../problems.ts";
import { templateFaults } from "../templates/limits.ts";
import { readTemplate } from "../templates/store.ts";
import type { Template } from "../templates/template.ts";
import { audienceCondition, countAudience, type Audience } from "./audience.ts";
import { cannotRender, isIn, lineNotSet, quotaMissed, wrongState } from "./problems.ts";
import { publishBatches } from "./publish.ts";
import { readSettings } from "./store.ts";
import * as sql from "./send.sql.ts";

export interface Begun {
  campaign_id: number;
  /** Recipients that are queued. */
  sent_count: number;
  sent_at: Date;
}

/** Freezing a million on a busy machine: more than any other statement may take, in milliseconds. */
const freezeLimitMs = 90_000;

/** Throws `line_not_set`. */
export function lineOf({ line }: Pick<Context, "line">): Line {
  if (!line) throw lineNotSet();
  return line;
}

/** What is left of the month. Throws `service_unavailable` when LINE does not tell. */
export async function askQuota(line: Line): Promise<LineQuota> {
  try {
    return await line.quota();
  } catch (error) {
    if (!(error instanceof LineUnavailable)) throw error;
    throw problems.unavailable({ message: `${error.message}; try again shortly`, cause: error });
  }
}

/** How many an audience has now. */
export async function audienceCount({ db, clock }: Pick<Context, "db" | "clock">, audience: Audience): Promise<number> {
  const { rows } = await db.query<{ count: number }>(countAudience(audience, clock.now()));
  return rows[0]?.count ?? 0;
}

/**
 * Begins to send a draft or a scheduled campaign. Returns once its recipients are frozen and committed; their messages
 * follow. Throws `campaign_not_found`, `wrong_state`, `over_quota`, `cannot_render`, `line_not_set`, or
 * `service_unavailable`: the campaign is then as it was. `due`: only while it is scheduled for a time that has come.
 */
export async function sendCampaign(ctx: Context, id: number, { due = false } = {}): Promise<Begun> {
  ctx.tag({ campaign_id: id });
  const { status, ...audience } = await readSettings(ctx.db, id);
  assertSendable(status);
  const line = lineOf(ctx);
  const [quota, count] = await Promise.all([askQuota(line), audienceCount(ctx, audience)]);
  assertQuota(quota, await needed(ctx.db, count));

  const { recipients, batches, sentAt } = await ctx.db.transaction(async (tx) => {
    await tx.query(`SET LOCAL statement_timeout = ${freezeLimitMs}`);
    const { template_id: templateId } = await lock(tx, id, due);
    await tx.query(patient(sql.lockFreezing));
    // As it is now: it may have been changed while the quota was asked.
    const settings = await readSettings(tx, id);
    const template = await readTemplate(tx, templateId);
    assertRenders(template);
    const condition = audienceCondition(settings, ctx.clock.now(), 2);
    const values = [id, ...condition.values];
    const { rows } = await tx.query<{ recipients: number; batches: number }>(
      patient(sql.freeze(condition.sql), values),
    );
    const frozen = rows[0] ?? { recipients: 0, batches: 0 };
    assertQuota(quota, await needed(tx, frozen.recipients));
    const begun = await tx.query<{ sent_at: Date }>(sql.begin, [
      id,
      frozen.recipients,
      frozen.batches,
      JSON.stringify(template),
    ]);
    return { ...frozen, sentAt: begun.rows[0]?.sent_at ?? ctx.clock.now() };
  });
  ctx.log.info({ recipients, batches }, "Campaign begins");
  const jobs = Array.from({ length: batches }, (_, batch) => ({ campaign_id: id, batch, attempt: 1 }));
  ctx.defer(publishBatches(ctx, jobs));
  return { campaign_id: id, sent_count: recipients, sent_at: sentAt };
}

/** Starts scheduled campaigns whose time has come. One that is refused fails, and says why. */
export async function startDue(ctx: Context): Promise<void> {
  const { rows } = await ctx.db.query<{ id: number }>(sql.selectDue);
  for (const { id } of rows) {
    if (ctx.signal.aborted) return;
    try {
      await sendCampaign(ctx, id, { due: true });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await refusedStart(ctx, id, error);
    }
  }
}

async function refusedStart(ctx: Context, id: number, problem: Problem): Promise<void> {
  const { status, code, message } = problem;
  // Somebody else has it, or has taken it back.
  if (code === wrongState.code || status === 404) return;
  if (status >= 500) return ctx.log.warn({ err: problem, campaign_id: id }, "a scheduled campaign waits for LINE");
  ctx.log.error({ campaign_id: id, code }, "a scheduled campaign could not be sent");
  await ctx.db.query(sql.failScheduled, [id, message]);
}

export function assertRenders(template: Template): void {
  const details = templateFaults(template);
  if (details.length > 0) throw cannotRender({ details });
}

function assertSendable(status: string): void {
  if (status !== "draft" && status !== "scheduled") throw isIn(status, "only a draft or a scheduled one can be sent");
}

function assertQuota({ limit, remaining }: LineQuota, { count, promised }: { count: number; promised: number }): void {
  if (remaining === null) return;
  const left = Math.max(0, remaining - promised);
  if (count > left) throw quotaMissed(count, { limit, remaining: left });
}

async function needed(db: Queryable, count: number): Promise<{ count: number; promised: number }> {
  const { rows } = await db.query<{ count: number }>(sql.promised);
  return { count, promised: rows[0]?.count ?? 0 };
}

async function lock(tx: Queryable, id: number, due: boolean): Promise<sql.Lockable> {
  try {
    const { rows } = await tx.query<sql.Lockable>(sql.lockCampaign, [id]);
    if (!rows[0]) throw campaignNotFound();
    assertSendable(rows[0].status);
    if (due && !rows[0].is_due) throw isIn(rows[0].status, "its time has been changed");
    return rows[0];
  } catch (error) {
    // 55P03: somebody sends or changes it at this moment.
    if (!(error instanceof DatabaseError) || error.code !== "55P03") throw error;
    throw isIn("being sent or changed", "try again shortly");
  }
}

/** A statement that the client waits for as long as the server may take. */
function patient(text: string, values: unknown[] = []) {
  return { text, values, query_timeout: freezeLimitMs + 1000 };
}
