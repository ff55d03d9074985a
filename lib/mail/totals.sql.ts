/** How many mails there are, by client and status: kept by triggers (`sql/0002_proxy.sql`), summed up by a schedule. */

/**
 * Sums up to $1 changes into the totals, in one statement: whoever reads both in one statement of his own counts each
 * change once. Answers how many there were. What another process is summing up is left to it; that they take the
 * totals in one order keeps the two from waiting for each other.
 */
export const sumChanges = `
  WITH taken AS (
    DELETE FROM mail_total_changes
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM mail_total_changes LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING client_id, status, change
  ),
  summed AS (
    INSERT INTO mail_totals (client_id, status, mails)
    SELECT client_id, status, sum(change) FROM taken GROUP BY client_id, status ORDER BY client_id, status
    ON CONFLICT (client_id, status) DO UPDATE SET mails = mail_totals.mails + excluded.mails
  )
  SELECT count(*)::int AS taken FROM taken`;

/**
 * Gives the room of summed-up changes back, so that reading what is left stays as cheap as it is little. Without the
 * table's lock, for which every writer would wait.
 */
export const vacuumChanges = `VACUUM (TRUNCATE FALSE) mail_total_changes`;

/** The total of the mails that `where` selects (of `client_id` and `status`), exact at the moment of the statement. */
export const selectTotal = (where: string) => `
  SELECT coalesce(sum(mails), 0) AS mails FROM (
    SELECT mails FROM mail_totals WHERE ${where}
    UNION ALL
    SELECT change FROM mail_total_changes WHERE ${where}
  ) AS counted`;
