/** The sweep over batches: what is on nobody's queue, and what a worker left behind. */
import { leaseSeconds, publishGraceSeconds, retryKeyHours } from "./campaign.ts";

export interface Swept {
  campaign_id: number;
  batch: number;
  /** Claims begun. */
  attempt: number;
  /** It is to end as unknown, for this reason; the sweep has its lease. */
  ending: string | null;
}

/**
 * Takes up to $1 pending batches that are due, and puts off their next turn by as long as they have waited already, so
 * that a long backlog is not published again and again. Those of a campaign that is held come by again in a minute, those
 * of one that has ended never; one that LINE may have accepted longer ago than it remembers is taken to be ended.
 */
export const takeDue = `
  WITH due AS (
    SELECT b.campaign_id, b.batch, c.status = 'sending' AND c.paused_at IS NULL AS goes, c.status = 'sending' AS lives,
      coalesce(b.first_tried_at <= now() - interval '${retryKeyHours} hours', FALSE) AND c.status = 'sending' AS stale
    FROM campaign_batches AS b JOIN campaigns AS c ON c.id = b.campaign_id
    WHERE b.state = 'pending' AND b.due_at <= now()
    ORDER BY b.due_at LIMIT $1 FOR UPDATE OF b SKIP LOCKED
  ),
  taken AS (
    UPDATE campaign_batches AS b SET
      due_at = CASE WHEN NOT lives THEN 'infinity' WHEN NOT goes THEN now() + interval '1 minute'
        ELSE now() + least(greatest(interval '${publishGraceSeconds} seconds', now() - b.updated_at),
                           interval '15 minutes') END,
      state = CASE WHEN stale THEN 'sending' ELSE state END,
      attempt = attempt + stale::int,
      lease_until = CASE WHEN stale THEN now() + interval '${leaseSeconds} seconds' END
    FROM due WHERE b.campaign_id = due.campaign_id AND b.batch = due.batch
    RETURNING b.campaign_id, b.batch, b.attempt, goes OR stale AS told,
      CASE WHEN stale THEN 'It may have been sent, and LINE no longer remembers' END AS ending
  )
  SELECT campaign_id::float8 AS campaign_id, batch, attempt, ending, told, (count(*) OVER ())::int AS found FROM taken`;

/**
 * Ends the leases that have run out: up to $1 batches. They are repeated under the same key, so that LINE drops what it
 * has; not where the campaign has ended meanwhile, nor where a batch has cost $2 workers. $3 set: also leases that still
 * run, for a start that knows that no other worker lives.
 */
export const releaseLeases = `
  WITH expired AS (
    SELECT b.campaign_id, b.batch,
      CASE WHEN c.status <> 'sending' THEN 'The campaign ended while it was being sent'
           WHEN b.losses >= $2 THEN 'Its workers ended, again and again' END AS ending
    FROM campaign_batches AS b JOIN campaigns AS c ON c.id = b.campaign_id
    WHERE b.state = 'sending' AND (b.lease_until < now() OR $3)
    ORDER BY b.lease_until LIMIT $1 FOR UPDATE OF b SKIP LOCKED
  )
  UPDATE campaign_batches AS b SET
    state = CASE WHEN ending IS NULL THEN 'pending' ELSE 'sending' END,
    attempt = attempt + (ending IS NOT NULL)::int, losses = losses + 1, updated_at = now(), due_at = now(),
    lease_until = CASE WHEN ending IS NOT NULL THEN now() + interval '${leaseSeconds} seconds' END
  FROM expired WHERE b.campaign_id = expired.campaign_id AND b.batch = expired.batch
  RETURNING b.campaign_id::float8 AS campaign_id, b.batch, b.attempt, ending`;

/** Makes all that is pending of the campaign $1 due. */
export const makeDue = "UPDATE campaign_batches SET due_at = now() WHERE campaign_id = $1 AND state = 'pending'";
