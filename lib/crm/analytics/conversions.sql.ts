/** Which stays followed which clicks. */

/** A stay counts from the day of the click until so many days later. */
const windowDays = 30;

/** Rather than keep those waiting who settle batches or record taps, counting stops and is tried again. */
export const limitPatience = "SET LOCAL lock_timeout = '500ms'";
/** One counts at a time. */
export const takeTurn = "SELECT pg_try_advisory_xact_lock(hashtext('crm counts conversions')) AS held";

/**
 * Looks at up to $1 members whose clicks or stays have changed, and brings their conversions, the campaigns' counts and
 * the days in line with what is there now: so that any order in which clicks, stays and corrections come ends the same.
 * What a deleted member has brought stays. Answers how many were looked at.
 */
export const countConversions = `
  WITH taken AS (
    DELETE FROM conversion_checks
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM conversion_checks LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING member_id
  ),
  checked AS MATERIALIZED (
    SELECT DISTINCT member_id FROM taken JOIN members ON members.id = member_id
  ),
  wanted AS MATERIALIZED (
    SELECT campaign_id, member_id, min(check_in_date) AS day
    FROM checked JOIN campaign_recipients USING (member_id) JOIN consumption_records USING (member_id)
    WHERE clicked_at IS NOT NULL AND check_in_date BETWEEN hotel_day(clicked_at) AND hotel_day(clicked_at) + ${windowDays}
    GROUP BY campaign_id, member_id
  ),
  had AS MATERIALIZED (
    SELECT campaign_id, member_id, day FROM checked JOIN campaign_conversions USING (member_id)
  ),
  removed AS (
    DELETE FROM campaign_conversions AS kept USING had
    WHERE kept.member_id = had.member_id AND kept.campaign_id = had.campaign_id
      AND NOT EXISTS (SELECT FROM wanted WHERE wanted.member_id = had.member_id AND wanted.campaign_id = had.campaign_id)
  ),
  added AS (
    INSERT INTO campaign_conversions AS kept (campaign_id, member_id, day) SELECT * FROM wanted
    ON CONFLICT (member_id, campaign_id) DO UPDATE SET day = excluded.day WHERE kept.day <> excluded.day
  ),
  changes AS MATERIALIZED (
    SELECT campaign_id, day, sum(n)::int AS n
    FROM (SELECT campaign_id, day, 1 AS n FROM wanted UNION ALL SELECT campaign_id, day, -1 FROM had) AS conversions
    GROUP BY campaign_id, day HAVING sum(n) <> 0
  ),
  noted AS (
    INSERT INTO crm_day_changes (day, converted) SELECT day, sum(n) FROM changes GROUP BY day HAVING sum(n) <> 0
  ),
  locked AS MATERIALIZED (
    SELECT id FROM campaigns WHERE id IN (SELECT campaign_id FROM changes) ORDER BY id FOR NO KEY UPDATE
  ),
  counted AS (
    UPDATE campaigns SET conversion_count = conversion_count + sums.n
    FROM (SELECT campaign_id, sum(n)::int AS n FROM changes JOIN locked ON locked.id = campaign_id
          GROUP BY campaign_id HAVING sum(n) <> 0) AS sums
    WHERE campaigns.id = sums.campaign_id
  )
  SELECT count(*)::int AS taken FROM taken`;

export const vacuumChecks = "VACUUM (TRUNCATE FALSE) conversion_checks";
