/** Freezing an audience. */
import { batchSize, publishGraceSeconds } from "./campaign.ts";

/** One freezes after the other: else two campaigns at once would each be granted what is left of the month. */
export const lockFreezing = "SELECT pg_advisory_xact_lock(hashtext('crm freezes an audience'))";

export interface Lockable {
  status: string;
  template_id: number;
  /** It is scheduled, and its time has come. */
  is_due: boolean;
}

export const lockCampaign = `
  SELECT status, template_id::float8 AS template_id, coalesce(status = 'scheduled' AND scheduled_at <= now(), FALSE) AS is_due
  FROM campaigns WHERE id = $1 FOR UPDATE NOWAIT`;

/** Messages that campaigns under way still need. */
export const promised = `
  SELECT coalesce(sum(greatest(audience_count - sent_count - failed_count, 0)), 0)::int AS count
  FROM campaigns WHERE status = 'sending'`;

/**
 * Makes the members of a condition (on `members AS m`, its values from $2 on) the recipients of the campaign $1, in
 * batches, in one statement. A million take about 4 s.
 */
export const freeze = (condition: string) => `
  WITH audience AS MATERIALIZED (
    SELECT id, ((row_number() OVER (ORDER BY id) - 1) / ${batchSize})::int AS batch FROM members AS m WHERE ${condition}
  ),
  recipients AS (
    INSERT INTO campaign_recipients (campaign_id, member_id, batch) SELECT $1, id, batch FROM audience
  ),
  batches AS (
    INSERT INTO campaign_batches (campaign_id, batch, first_member, last_member, size, due_at)
    SELECT $1, batch, min(id), max(id), count(*), now() + interval '${publishGraceSeconds} seconds'
    FROM audience GROUP BY batch
    RETURNING batch, size
  )
  SELECT count(*)::int AS batches, coalesce(sum(size), 0)::int AS recipients FROM batches`;

/** Begins to send the campaign $1: $2 recipients in $3 batches, the template $4. Without any, it is sent. */
export const begin = `
  UPDATE campaigns SET
    status = CASE WHEN $3 > 0 THEN 'sending' ELSE 'sent' END, sent_at = now(),
    finished_at = CASE WHEN $3 > 0 THEN NULL ELSE now() END,
    audience_count = $2, open_batches = $3, sent_template = $4::jsonb, error_message = NULL, updated_at = now()
  WHERE id = $1
  RETURNING sent_at`;

/** Scheduled campaigns whose time has come. */
export const selectDue = `
  SELECT id::float8 AS id FROM campaigns WHERE status = 'scheduled' AND scheduled_at <= now()
  ORDER BY scheduled_at, id LIMIT 100`;

export const failScheduled = `
  UPDATE campaigns SET status = 'failed', error_message = left($2, 500), finished_at = now(), updated_at = now()
  WHERE id = $1 AND status = 'scheduled'`;
