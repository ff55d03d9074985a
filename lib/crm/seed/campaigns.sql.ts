/** Campaigns that have been sent, as their delivery leaves them: see sql/0008_campaigns.sql. */

/** Whom the campaign $1, sent at $2, reached: tags $3, or all. $4 and $5: who opened, and who clicked. $6: of 1,000 a few failed. */
export const insertRecipients = `
  INSERT INTO campaign_recipients (campaign_id, member_id, batch, status, opened_at, clicked_at, error_message)
  SELECT $1, id, ((place - 1) / 500)::int, CASE WHEN chance < $5 THEN 'clicked' WHEN chance < $4 THEN 'opened' WHEN chance > 0.997 THEN 'failed' ELSE 'pending' END,
         CASE WHEN chance < $4 THEN at END, CASE WHEN chance < $5 THEN at END, CASE WHEN chance > 0.997 THEN 'The user has blocked the account' END
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS place, pg_temp.draw(id - $6, 1000 + $7) AS chance,
               $2::timestamptz + least($8::timestamptz - $2::timestamptz, interval '4 days') * pg_temp.draw(id - $6, 2000 + $7) ^ 3 AS at
        FROM members
        WHERE id > $6 AND line_uid IS NOT NULL AND accept_marketing AND blocked_at IS NULL AND friended_at < $2
          AND ($3::bigint[] IS NULL OR id IN (SELECT member_id FROM member_tag_relations WHERE tag_id = ANY($3)))) AS audience`;

export const insertBatches = `
  INSERT INTO campaign_batches (campaign_id, batch, first_member, last_member, size, state, attempt, sent_count, failed_count,
                                due_at, first_tried_at, sent_at)
  SELECT id, batch, first, last, size, 'sent', 1, size - failed, failed, sent_at, sent_at, sent_at + batch * interval '1 second'
  FROM (SELECT campaign_id AS id, batch, min(member_id) AS first, max(member_id) AS last, count(*) AS size,
               count(*) FILTER (WHERE status = 'failed') AS failed
        FROM campaign_recipients WHERE campaign_id = ANY($1) GROUP BY campaign_id, batch) AS batches
  JOIN campaigns USING (id)`;

/** What the taps of campaigns $1 did to members: the tag of $2 beside each, noted and set. */
export const insertTriggers = `
  INSERT INTO tag_trigger_logs (member_id, tag_id, campaign_id, trigger_source, triggered_at)
  SELECT member_id, tag, campaign_id, CASE WHEN clicked_at IS NULL THEN 'interaction' ELSE 'click' END, opened_at
  FROM campaign_recipients JOIN unnest($1::bigint[], $2::bigint[]) AS used (campaign, tag) ON campaign = campaign_id
  WHERE opened_at IS NOT NULL ORDER BY opened_at`;

export const insertTriggered = `
  INSERT INTO member_tag_relations (member_id, tag_id, tagged_at)
  SELECT member_id, tag_id, min(triggered_at) FROM tag_trigger_logs WHERE campaign_id = ANY($1) GROUP BY member_id, tag_id`;

export const countCampaigns = `
  UPDATE campaigns SET audience_count = audience, sent_count = audience - failed, failed_count = failed, opened_count = opened,
                       clicked_count = clicked
  FROM (SELECT campaign_id, count(*) AS audience, count(*) FILTER (WHERE status = 'failed') AS failed,
               count(opened_at) AS opened, count(clicked_at) AS clicked
        FROM campaign_recipients WHERE campaign_id = ANY($1) GROUP BY campaign_id) AS counted
  WHERE campaigns.id = campaign_id`;

/** All counts that triggers keep, which were off. */
export const recount = [
  `UPDATE tags SET member_count = coalesce(n, 0) FROM tags AS t
   LEFT JOIN (SELECT tag_id, count(*) AS n FROM member_tag_relations GROUP BY tag_id) AS c ON c.tag_id = t.id WHERE tags.id = t.id`,
  `UPDATE tags SET trigger_count = coalesce(n, 0) FROM tags AS t
   LEFT JOIN (SELECT tag_id, count(*) AS n FROM tag_trigger_logs GROUP BY tag_id) AS c ON c.tag_id = t.id WHERE tags.id = t.id`,
  "DELETE FROM member_counts",
  "INSERT INTO member_counts (source, slot, n) SELECT source, 0, count(*) FROM members GROUP BY source",
  // Of days, and of the conversions that followed: see sql/0011_analytics.sql.
  "SELECT recount_crm_days()",
];
