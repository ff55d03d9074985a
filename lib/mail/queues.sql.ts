/** Mail that waits: for a worker since it could be sent, for its time, for its worker's end, for an operator. */
export const selectBacklog = `
  SELECT mails, count::int, extract(epoch FROM now() - since)::int AS oldest_seconds FROM (
    SELECT 1 AS place, 'waiting' AS mails, count(*), min(greatest(created_at, send_at)) AS since
    FROM mails WHERE status = 'queued' AND (send_at IS NULL OR send_at <= now())
    UNION ALL
    SELECT 2, 'sent later', count(*), NULL FROM mails WHERE status = 'queued' AND send_at > now()
    UNION ALL
    SELECT 3, 'processing', count(*), min(updated_at) FROM mails WHERE status = 'processing'
    UNION ALL
    SELECT 4, 'failed', count(*), min(updated_at) FROM mails WHERE status = 'failed' AND dropped_at IS NULL
  ) AS states ORDER BY place`;
