/** Recipients as they are shown. */
import type { RecipientStatus } from "./campaign.ts";

export interface RecipientRow {
  member_id: number;
  /** Null: the member has been deleted, or has none. */
  name: string | null;
  email: string | null;
  sent_at: Date | null;
  opened_at: Date | null;
  clicked_at: Date | null;
  status: RecipientStatus;
  error_message: string | null;
}

/** Recipients whose batch is in one of these states, and of whom nothing else is told. Without a join: a page is read in order. */
const asBatch = (...states: string[]) =>
  `r.status = 'pending' AND r.batch IN (
     SELECT batch FROM campaign_batches WHERE campaign_id = $1 AND state IN (${states.map((state) => `'${state}'`).join()}))`;

const conditions: Record<RecipientStatus, string> = {
  // Of a status that is always a recipient's own, there is an index.
  opened: "r.status = 'opened'",
  clicked: "r.status = 'clicked'",
  sent: `(r.status = 'sent' OR ${asBatch("sent")})`,
  failed: `(r.status = 'failed' OR ${asBatch("failed", "unknown")})`,
  pending: asBatch("pending", "sending"),
};

/** Of the campaign $1, $2 from $3 on. The page is found first, and then its batches and members. */
export const selectRecipients = (status: RecipientStatus | undefined) => `
  WITH page AS MATERIALIZED (
    SELECT * FROM campaign_recipients AS r
    WHERE r.campaign_id = $1 ${status === undefined ? "" : `AND ${conditions[status]}`}
    ORDER BY r.member_id LIMIT $2 OFFSET $3
  ),
  told AS (
    SELECT page.*, recipient_status(page.status, b.state) AS shown, b.sent_at AS batch_sent_at,
      b.error_message AS batch_error
    FROM page JOIN campaign_batches AS b USING (campaign_id, batch)
  )
  SELECT told.member_id::float8 AS member_id, shown AS status, opened_at, clicked_at,
    coalesce(nullif(concat(m.last_name, m.first_name), ''), m.line_display_name) AS name, m.email,
    coalesce(told.sent_at, CASE WHEN shown IN ('sent', 'opened', 'clicked') THEN batch_sent_at END) AS sent_at,
    coalesce(told.error_message, CASE shown WHEN 'failed' THEN batch_error END) AS error_message
  FROM told LEFT JOIN members AS m ON m.id = told.member_id
  ORDER BY told.member_id`;

/**
 * How many of the campaign $1 have the status $2 (null: any): batches as a whole, less those who are told of by
 * themselves, and these.
 */
export const countRecipients = `
  SELECT coalesce(sum(n), 0)::int AS total FROM (
    SELECT size AS n, recipient_status('pending', state) AS status FROM campaign_batches WHERE campaign_id = $1
    UNION ALL
    SELECT -1, recipient_status('pending', b.state)
    FROM campaign_recipients AS r JOIN campaign_batches AS b USING (campaign_id, batch)
    WHERE r.campaign_id = $1 AND r.status <> 'pending'
    UNION ALL
    SELECT 1, status FROM campaign_recipients WHERE campaign_id = $1 AND status <> 'pending'
  ) AS counted
  WHERE $2::text IS NULL OR status = $2`;
