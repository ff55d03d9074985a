/** What happened on each of the hotel's days: noted by triggers (`sql/0011_analytics.sql`), summed up by a schedule. */

/** Figures of a day, or of days together. */
export interface DayCounts {
  /** Messages of all kinds: of campaigns, answers, and what users wrote. */
  sent: number;
  /** First opens and first clicks of a campaign by a recipient. */
  opened: number;
  clicked: number;
  /** Stays that followed a click, on the day of the check-in. */
  converted: number;
}

/**
 * Sums up to $1 changes into the days, in one statement: whoever reads both in one statement of his own counts each
 * change once. Answers how many there were. Days are taken in order, so that two who sum up do not wait for each other.
 */
export const sumChanges = `
  WITH taken AS (
    DELETE FROM crm_day_changes
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM crm_day_changes LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING day, sent, opened, clicked, converted
  ),
  summed AS (
    INSERT INTO crm_days AS kept (day, sent, opened, clicked, converted)
    SELECT day, sum(sent), sum(opened), sum(clicked), sum(converted) FROM taken GROUP BY day ORDER BY day
    ON CONFLICT (day) DO UPDATE SET
      sent = kept.sent + excluded.sent, opened = kept.opened + excluded.opened,
      clicked = kept.clicked + excluded.clicked, converted = kept.converted + excluded.converted
  )
  SELECT count(*)::int AS taken FROM taken`;

/** Gives their room back, so that reading what is left stays cheap. Without the table's lock, for which writers would wait. */
export const vacuumChanges = "VACUUM (TRUNCATE FALSE) crm_day_changes";

/** Every day from $1 to $2, exact at the moment of the statement. */
export const selectDays = `
  SELECT to_char(days.day, 'YYYY-MM-DD') AS day, coalesce(sum(sent), 0)::float8 AS sent,
    coalesce(sum(opened), 0)::float8 AS opened, coalesce(sum(clicked), 0)::float8 AS clicked,
    coalesce(sum(converted), 0)::float8 AS converted
  FROM (SELECT $1::date + n AS day FROM generate_series(0, $2::date - $1::date) AS n) AS days
  LEFT JOIN (
    SELECT * FROM crm_days WHERE day BETWEEN $1 AND $2
    UNION ALL
    SELECT * FROM crm_day_changes WHERE day BETWEEN $1 AND $2
  ) AS counted ON counted.day = days.day
  GROUP BY days.day ORDER BY days.day`;
