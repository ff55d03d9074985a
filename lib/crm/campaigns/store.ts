/** Keeping campaigns. */
import { DatabaseError } from "pg";
import type { Context } from "../../../runtime/context.ts";
import type { Detail } from "../../../runtime/problem.ts";
import type { Queryable } from "../../resources/database.ts";
import { only } from "../only.ts";
import type { Found, Page } from "../paging.ts";
import { campaignNotFound, invalid } from "../problems.ts";
import { readTemplate, type StoredTemplate } from "../templates/store.ts";
import { audienceOf, tagsOf, triggerFaults, type AudienceInput } from "./audience.ts";
import type { CampaignStatus, Tracking, TriggerCondition } from "./campaign.ts";
import { isIn } from "./problems.ts";
import * as sql from "./store.sql.ts";
import type { CampaignDetail, CampaignLine, Settings, Written } from "./store.sql.ts";

export type { CampaignDetail, CampaignLine } from "./store.sql.ts";

export interface CampaignInput {
  title: string;
  template_id: number;
  target_audience: AudienceInput;
  trigger_condition?: TriggerCondition | null;
  tracking?: Tracking;
  /** RFC 3339. One ahead makes it scheduled; none, or one that has passed, a draft. */
  scheduled_at?: string | null;
}

export interface CampaignFilter {
  status?: CampaignStatus;
  /** Days on which it was made, in the hotel's zone. */
  start_date?: string;
  end_date?: string;
}

export interface CampaignSummary {
  total: number;
  sent: number;
  scheduled: number;
  draft: number;
}

type Store = Pick<Context, "db" | "clock">;

/** Newest first; the summary is of all states. */
export async function listCampaigns(
  { db }: Pick<Context, "db">,
  { status, start_date, end_date }: CampaignFilter,
  { pageSize, offset }: Page,
): Promise<Found<CampaignLine> & { summary: CampaignSummary }> {
  const filter = [status ?? null, start_date ?? null, end_date ?? null];
  const [page, counts] = await Promise.all([
    db.query<CampaignLine>(sql.selectCampaigns, [...filter, pageSize, offset]),
    db.query<{ status: CampaignStatus; count: number }>(sql.countCampaigns, filter),
  ]);
  const of = (wanted: CampaignStatus) => counts.rows.find((row) => row.status === wanted)?.count ?? 0;
  const total = counts.rows.reduce((sum, { count }) => sum + count, 0);
  const summary = { total, sent: of("sent"), scheduled: of("scheduled"), draft: of("draft") };
  return { items: page.rows, total: status ? of(status) : total, summary };
}

/** Throws `campaign_not_found`. */
export async function readCampaign({ db }: { db: Queryable }, id: number): Promise<CampaignDetail> {
  const { rows } = await db.query<CampaignDetail>(sql.selectCampaign, [id]);
  if (!rows[0]) throw campaignNotFound();
  return rows[0];
}

/** What it says: its template as it was when the campaign was sent, else as it is now. */
export async function templateOf({ db }: { db: Queryable }, campaign: CampaignDetail): Promise<StoredTemplate> {
  const { sent_template: sent, template_id: id } = campaign;
  return sent ? { ...sent, created_at: new Date(sent.created_at) } : await readTemplate(db, id);
}

/** Throws `campaign_not_found`. */
export async function readSettings(db: Queryable, id: number): Promise<Settings> {
  const { rows } = await db.query<Settings>(sql.selectSettings, [id]);
  if (!rows[0]) throw campaignNotFound();
  return rows[0];
}

/** Throws `invalid_request`, by field. */
export async function createCampaign(ctx: Store, input: CampaignInput, userId: number): Promise<CampaignDetail> {
  const audience = audienceOf(input.target_audience);
  const written = {
    title: input.title,
    template_id: input.template_id,
    trigger_condition: triggerOf(input.trigger_condition ?? null),
    tracking: input.tracking ?? "member",
    ...scheduled(ctx, input.scheduled_at ?? null),
  };
  if (Array.isArray(audience)) throw invalid(...audience);
  const id = await ctx.db.transaction(async (tx) => {
    await check(tx, { ...written, target_audience: audience });
    const row = JSON.stringify({ ...written, target_audience: audience });
    const { rows } = await knownTemplate(tx.query<{ id: number }>(sql.insertCampaign, [row, userId]));
    return rows[0]?.id ?? 0;
  });
  return await readCampaign(ctx, id);
}

/** Changes what is given of a draft or a scheduled one. Throws `campaign_not_found`, `wrong_state`, `invalid_request`. */
export async function updateCampaign(ctx: Store, id: number, given: Partial<CampaignInput>): Promise<CampaignDetail> {
  const { target_audience: input, trigger_condition: trigger, scheduled_at: time } = given;
  const audience = input && audienceOf(input);
  if (Array.isArray(audience)) throw invalid(...audience);
  await ctx.db.transaction(async (tx) => {
    const { rows } = await tx.query<Written>(sql.selectWritten, [id]);
    const [kept] = rows;
    if (!kept) throw campaignNotFound();
    if (kept.status !== "draft" && kept.status !== "scheduled") {
      throw isIn(kept.status, "only a draft or a scheduled one can be changed");
    }
    const written = {
      ...kept,
      ...only(given, ["title", "template_id", "tracking"]),
      ...(trigger !== undefined && { trigger_condition: triggerOf(trigger) }),
      ...(audience && { target_audience: audience }),
      ...(time !== undefined && scheduled(ctx, time)),
    };
    await check(tx, written);
    await knownTemplate(tx.query(sql.updateCampaign, [JSON.stringify(written), id]));
  });
  return await readCampaign(ctx, id);
}

/** Throws `campaign_not_found`, or `wrong_state` for what is no draft. */
export async function deleteCampaign({ db }: Pick<Context, "db">, id: number): Promise<void> {
  const { rowCount } = await db.query(sql.deleteCampaign, [id]);
  if (rowCount) return;
  throw isIn((await readSettings(db, id)).status, "only a draft can be deleted");
}

const triggerOf = (given: TriggerCondition | null) => given && only(given, ["type", "days_range"]);

function scheduled({ clock }: Pick<Context, "clock">, text: string | null): Pick<Written, "scheduled_at" | "status"> {
  if (text === null) return { scheduled_at: null, status: "draft" };
  const time = new Date(text);
  const isTime = !Number.isNaN(time.getTime());
  if (!isTime)
    throw invalid({ field: "scheduled_at", message: "must be a time of RFC 3339, such as 2026-01-20T10:05:00Z" });
  return { scheduled_at: time, status: time > clock.now() ? "scheduled" : "draft" };
}

async function check(db: Queryable, written: Written): Promise<void> {
  const { template_id: template, target_audience: audience, trigger_condition: trigger } = written;
  const { rows } = await db.query<{ template: boolean; tags: number[] }>(sql.selectReferences, [
    template,
    tagsOf(audience),
  ]);
  const known = new Set(rows[0]?.tags);
  const unknown = (field: "include_tags" | "exclude_tags"): Detail[] =>
    (audience.type === "tags" ? (audience[field] ?? []) : [])
      .filter((tag) => !known.has(tag))
      .map((tag) => ({ field: `target_audience.${field}`, message: `names no tag: ${tag}` }));
  const faults = [
    ...(rows[0]?.template ? [] : [noTemplate]),
    ...unknown("include_tags"),
    ...unknown("exclude_tags"),
    ...triggerFaults(trigger),
  ];
  if (faults.length > 0) throw invalid(...faults);
}

const noTemplate = { field: "template_id", message: "names no template" };

/** Somebody may have deleted it since it was looked for. */
async function knownTemplate<T>(writing: Promise<T>): Promise<T> {
  return await writing.catch((error: unknown) => {
    if (error instanceof DatabaseError && error.code === "23503") throw invalid(noTemplate);
    throw error;
  });
}
