/**
 * The ledger of batches: claimed, renewed and settled, many in one statement.
 *
 * Claim and settle are fenced by the attempt number, as for mails: whoever holds an older one changes nothing.
 */
import { isRow, unindexed } from "../../by-key.ts";
import type { Statement } from "../../resources/batch.ts";
import { leaseSeconds, publishGraceSeconds, retryKeyHours, type Tracking } from "./campaign.ts";

export interface ClaimRow {
  campaign_id: number;
  batch: number;
  attempt: number;
}

export interface Claimed {
  i: number;
  first_member: string;
  last_member: string;
  retry_key: string;
  tries: number;
  singly: boolean;
  /** Nothing of it can have been accepted before. */
  fresh: boolean;
  tracking: Tracking;
  /** The template as it was when the campaign was sent. */
  template: unknown;
}

/**
 * Takes the lease on each batch whose turn this attempt is. None: not ours to send; its campaign is held or has ended;
 * or it may have been accepted longer ago than LINE remembers.
 */
export const claimBatches: Statement<ClaimRow, Claimed> = {
  name: "claim_batches",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (i int, campaign_id bigint, batch int, attempt int)
      WHERE ${isRow} ORDER BY campaign_id, batch
    )
    UPDATE campaign_batches AS b SET
      state = 'sending', attempt = input.attempt, updated_at = now(),
      lease_until = now() + interval '${leaseSeconds} seconds', first_tried_at = coalesce(first_tried_at, now())
    FROM input JOIN campaigns AS c ON c.id = input.campaign_id
    WHERE b.campaign_id = input.campaign_id AND b.batch = input.batch
      AND ${unindexed("b.state")} = 'pending' AND b.attempt = input.attempt - 1
      AND c.status = 'sending' AND c.paused_at IS NULL
      AND (b.first_tried_at IS NULL OR b.first_tried_at > now() - interval '${retryKeyHours} hours')
    RETURNING input.i, first_member, last_member, retry_key, tries, singly, first_tried_at = now() AS fresh, c.tracking,
      c.sent_template AS template`,
};

/** Renews leases. No row: it was lost. */
export const renewLeases: Statement<ClaimRow, { i: number }> = {
  name: "renew_batches",
  sql: `
    UPDATE campaign_batches AS b SET lease_until = now() + interval '${leaseSeconds} seconds'
    FROM jsonb_to_recordset($1::jsonb) AS input (i int, campaign_id bigint, batch int, attempt int)
    WHERE b.campaign_id = input.campaign_id AND b.batch = input.batch
      AND b.state = 'sending' AND b.attempt = input.attempt
    RETURNING input.i`,
};

/** The recipients of a batch ($1 campaign, $2 to $3) that are not told of by themselves. Who was deleted has no id of LINE's. */
export const selectRecipients = `
  SELECT r.member_id, r.tries, m.line_uid
  FROM campaign_recipients AS r LEFT JOIN members AS m ON m.id = r.member_id
  WHERE r.campaign_id = $1 AND r.member_id BETWEEN $2 AND $3 AND r.status = 'pending'
  ORDER BY r.member_id`;

/** What became of single recipients: $1 campaign, $2 JSON. Who has tapped it meanwhile has got it. */
export const noteRecipients = `
  UPDATE campaign_recipients AS r SET
    status = input.status, tries = input.tries, error_message = CASE input.status WHEN 'failed' THEN input.error END,
    sent_at = CASE input.status WHEN 'sent' THEN now() END
  FROM (SELECT * FROM jsonb_to_recordset($2::jsonb)
          AS input (member_id bigint, status text, tries smallint, error text) ORDER BY member_id) AS input
  WHERE r.campaign_id = $1 AND r.member_id = input.member_id AND r.status = 'pending'`;

export interface Noted {
  member_id: string;
  /** `pending`: to be tried again. */
  status: "pending" | "sent" | "failed";
  tries: number;
  error: string | null;
}

/** The end of an attempt. */
export interface SettleRow extends ClaimRow {
  state: "pending" | "sent" | "failed" | "unknown";
  tries: number;
  /** Until the next attempt. */
  delay_ms: number;
  /** Nothing of what is to be sent again was accepted: LINE refused it. */
  certain: boolean;
  /** What is sent next is another request. */
  other: boolean;
  singly: boolean;
  error: string | null;
  /** Why the whole campaign ends here. */
  stop: string | null;
}

export interface Settled {
  i: number;
  /** Of the campaign. */
  status: string;
}

/**
 * Ends attempts, and brings the campaign's counts in line: those of a batch are counted anew from what is told of single
 * recipients, so that nobody counts twice. Whoever ends the last open batch ends the campaign. A returned row says that
 * the attempt still held the lease.
 */
export const settleBatches: Statement<SettleRow, Settled> = {
  name: "settle_batches",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (
        i int, campaign_id bigint, batch int, attempt int, state text, tries smallint, delay_ms int, certain boolean,
        other boolean, singly boolean, error text, stop text)
      WHERE ${isRow}
    ),
    held AS MATERIALIZED (
      SELECT input.*, b.size, b.sent_count AS had_sent, b.failed_count AS had_failed,
        (SELECT count(*) FILTER (WHERE status <> 'failed') FROM campaign_recipients AS r
         WHERE r.campaign_id = b.campaign_id AND member_id BETWEEN first_member AND last_member
           AND status <> 'pending')::int AS told_sent,
        (SELECT count(*) FROM campaign_recipients AS r
         WHERE r.campaign_id = b.campaign_id AND member_id BETWEEN first_member AND last_member
           AND status <> 'pending' AND status = 'failed')::int AS told_failed
      FROM input JOIN campaign_batches AS b USING (campaign_id, batch)
      ORDER BY campaign_id, batch
    ),
    ended AS (
      UPDATE campaign_batches AS b SET
        state = held.state, tries = held.tries, error_message = held.error, updated_at = now(), lease_until = NULL,
        singly = b.singly OR held.singly,
        retry_key = CASE WHEN held.other THEN gen_random_uuid() ELSE retry_key END,
        first_tried_at = CASE WHEN held.certain THEN NULL ELSE first_tried_at END,
        sent_at = CASE held.state WHEN 'sent' THEN now() END,
        due_at = now() + make_interval(secs => CASE WHEN held.delay_ms > 0 THEN held.delay_ms / 1000.0
                                                    ELSE ${publishGraceSeconds} END),
        sent_count = CASE held.state WHEN 'sent' THEN b.size - told_failed ELSE told_sent END,
        failed_count = CASE WHEN held.state IN ('failed', 'unknown') THEN b.size - told_sent ELSE told_failed END
      FROM held
      WHERE b.campaign_id = held.campaign_id AND b.batch = held.batch
        AND ${unindexed("b.state")} = 'sending' AND b.attempt = held.attempt
      RETURNING held.i, b.campaign_id, held.stop, (b.state <> 'pending')::int AS ended,
        b.sent_count - had_sent AS sent, b.failed_count - had_failed AS failed
    ),
    sums AS (
      SELECT campaign_id, sum(sent)::int AS sent, sum(failed)::int AS failed, sum(ended)::int AS ended, max(stop) AS stop
      FROM ended GROUP BY campaign_id ORDER BY campaign_id
    ),
    counted AS (
      UPDATE campaigns AS c SET
        sent_count = c.sent_count + sums.sent, failed_count = c.failed_count + sums.failed,
        open_batches = c.open_batches - sums.ended,
        status = CASE
          WHEN c.status <> 'sending' THEN c.status
          WHEN sums.stop IS NOT NULL THEN 'failed'
          WHEN c.open_batches > sums.ended THEN c.status
          WHEN c.sent_count + sums.sent > 0 THEN 'sent' ELSE 'failed' END,
        finished_at = CASE
          WHEN c.status = 'sending' AND (sums.stop IS NOT NULL OR c.open_batches <= sums.ended) THEN now()
          ELSE c.finished_at END,
        error_message = CASE
          WHEN c.status <> 'sending' THEN c.error_message
          WHEN sums.stop IS NOT NULL THEN sums.stop
          WHEN c.open_batches <= sums.ended AND c.sent_count + sums.sent = 0 THEN 'LINE accepted no message'
          ELSE c.error_message END
      FROM sums WHERE c.id = sums.campaign_id
      RETURNING c.id, c.status
    )
    SELECT ended.i, counted.status FROM ended JOIN counted ON counted.id = ended.campaign_id`,
};
