/** Campaigns as they are stored and shown. */
import type { StoredTemplate } from "../templates/store.ts";
import type { CampaignStatus, TargetAudience, Tracking, TriggerCondition } from "./campaign.ts";

export interface CampaignLine {
  id: number;
  title: string;
  template: Pick<StoredTemplate, "id" | "type" | "name">;
  status: CampaignStatus;
  sent_count: number;
  opened_count: number;
  clicked_count: number;
  scheduled_at: Date | null;
  sent_at: Date | null;
  created_at: Date;
}

/**
 * Of the state $1 (or all), made from $2 until before $3 (days of the hotel; null: any), newest first. Among a few
 * thousand campaigns.
 */
const made = `
  ($2::date IS NULL OR c.created_at >= $2::date::timestamp AT TIME ZONE 'Asia/Taipei')
  AND ($3::date IS NULL OR c.created_at < ($3::date + 1)::timestamp AT TIME ZONE 'Asia/Taipei')`;

export const selectCampaigns = `
  SELECT c.id::float8 AS id, c.title, c.status, c.sent_count, c.opened_count, c.clicked_count, c.scheduled_at, c.sent_at,
    c.created_at, jsonb_build_object('id', t.id, 'type', t.type, 'name', t.name) AS template
  FROM campaigns AS c JOIN message_templates AS t ON t.id = c.template_id
  WHERE ($1::text IS NULL OR c.status = $1) AND ${made}
  ORDER BY c.created_at DESC, c.id DESC LIMIT $4 OFFSET $5`;

/** How many there are of each state; $1 is not looked at, so that it is of the same kind as the list. */
export const countCampaigns = `
  SELECT status, count(*)::int AS count FROM campaigns AS c WHERE ($1::text IS NULL OR TRUE) AND ${made} GROUP BY status`;

export interface CampaignDetail extends Omit<CampaignLine, "template"> {
  template_id: number;
  target_audience: TargetAudience;
  trigger_condition: TriggerCondition | null;
  tracking: Tracking;
  /** As it was sent; null before. */
  sent_template: (Omit<StoredTemplate, "created_at"> & { created_at: string }) | null;
  audience_count: number;
  failed_count: number;
  finished_at: Date | null;
  paused_at: Date | null;
  error_message: string | null;
  line_insight: Record<string, unknown> | null;
  created_by: { id: number; username: string; full_name: string | null } | null;
}

export const selectCampaign = `
  SELECT c.id::float8 AS id, c.title, c.template_id::float8 AS template_id, c.target_audience, c.trigger_condition,
    c.tracking, c.status, c.scheduled_at, c.sent_at, c.finished_at, c.paused_at, c.error_message, c.sent_template,
    c.audience_count, c.sent_count, c.failed_count, c.opened_count, c.clicked_count, c.line_insight, c.created_at,
    CASE WHEN u.id IS NOT NULL THEN jsonb_build_object('id', u.id, 'username', u.username, 'full_name', u.full_name) END
      AS created_by
  FROM campaigns AS c LEFT JOIN users AS u ON u.id = c.created_by
  WHERE c.id = $1`;

export interface Settings {
  status: CampaignStatus;
  template_id: number;
  target_audience: TargetAudience;
  trigger_condition: TriggerCondition | null;
}

export const selectSettings = `
  SELECT status, template_id::float8 AS template_id, target_audience, trigger_condition FROM campaigns WHERE id = $1`;

export interface Written {
  title: string;
  template_id: number;
  target_audience: TargetAudience;
  trigger_condition: TriggerCondition | null;
  tracking: Tracking;
  scheduled_at: Date | null;
  status: "draft" | "scheduled";
}

const writtenColumns = `given (title text, template_id bigint, target_audience jsonb, trigger_condition jsonb,
  tracking text, scheduled_at timestamptz, status text)`;

/** $1: `Written` as JSON; $2: whose it is. */
export const insertCampaign = `
  INSERT INTO campaigns (title, template_id, target_audience, trigger_condition, tracking, scheduled_at, status, created_by)
  SELECT title, template_id, target_audience, nullif(trigger_condition, 'null'), tracking, scheduled_at, status, $2
  FROM jsonb_to_record($1::jsonb) AS ${writtenColumns}
  RETURNING id::float8 AS id`;

export const updateCampaign = `
  UPDATE campaigns AS c SET
    title = given.title, template_id = given.template_id, target_audience = given.target_audience,
    trigger_condition = nullif(given.trigger_condition, 'null'), tracking = given.tracking,
    scheduled_at = given.scheduled_at, status = given.status, updated_at = now()
  FROM jsonb_to_record($1::jsonb) AS ${writtenColumns}
  WHERE c.id = $2`;

export const selectWritten = `
  SELECT title, template_id::float8 AS template_id, target_audience, trigger_condition, tracking, scheduled_at, status
  FROM campaigns WHERE id = $1 FOR UPDATE`;

export const deleteCampaign = "DELETE FROM campaigns WHERE id = $1 AND status = 'draft'";

/** Which of the tags $2 there are, and whether the template $1 is there. */
export const selectReferences = `
  SELECT EXISTS (SELECT FROM message_templates WHERE id = $1) AS template,
    ARRAY(SELECT id::float8 FROM tags WHERE id = ANY($2::bigint[])) AS tags`;

/** Ends the campaign $1. */
export const cancelCampaign = `
  UPDATE campaigns SET status = 'cancelled', finished_at = now(), updated_at = now()
  WHERE id = $1 AND status IN ('scheduled', 'sending') RETURNING sent_count`;

export const pauseCampaign = `
  UPDATE campaigns SET paused_at = now(), updated_at = now()
  WHERE id = $1 AND status = 'sending' AND paused_at IS NULL RETURNING sent_count`;

export const resumeCampaign = `
  UPDATE campaigns SET paused_at = NULL, updated_at = now()
  WHERE id = $1 AND status = 'sending' AND paused_at IS NOT NULL RETURNING sent_count`;
