/** What taps do to the database, many in one statement. */
import type { Statement } from "../../resources/batch.ts";

export interface TapRow {
  member_id: number;
  /** Null outside campaigns. */
  campaign_id: number | null;
  tag_ids: readonly number[];
  /** A link, or a postback. */
  source: "click" | "interaction";
  /** ISO 8601. */
  at: string;
}

/**
 * Counts a member's first tap of a campaign as its opening and its click (LINE tells nobody's opening), and adds the
 * tags. Repeated taps change nothing: `clicked_at` is looked at again by whoever had to wait for the row, and the index
 * `tag_trigger_logs_once` keeps one line for each member, tag and campaign. A returned row says that the member is one of
 * ours.
 *
 * What a line in `tag_trigger_logs` names is held until it is there. A campaign that is just being deleted, of which a test
 * message may have told, is none by then.
 *
 * Any number may run at once: rows are locked in one order, members, recipients, campaigns, tags, each by their ids, so
 * that none waits for another in a circle. Batches that are settled lock recipients before campaigns, too.
 */
export const recordTaps: Statement<TapRow, { i: number }> = {
  name: "record_taps",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (
        i int, member_id bigint, campaign_id bigint, tag_ids bigint[], source text, at timestamptz)
    ),
    ours AS MATERIALIZED (
      SELECT id FROM members WHERE id IN (SELECT member_id FROM input) ORDER BY id FOR NO KEY UPDATE
    ),
    named AS MATERIALIZED (
      SELECT id FROM campaigns WHERE id IN (SELECT campaign_id FROM input WHERE cardinality(tag_ids) > 0)
        AND (SELECT count(*) FROM ours) >= 0
      ORDER BY id FOR KEY SHARE
    ),
    known AS MATERIALIZED (
      SELECT i, member_id, campaigns.id AS campaign_id, tag_ids, input.source, at
      FROM input JOIN ours ON ours.id = member_id LEFT JOIN campaigns ON campaigns.id = campaign_id
        AND (cardinality(tag_ids) = 0 OR campaigns.id IN (SELECT id FROM named))
    ),
    firsts AS MATERIALIZED (
      SELECT DISTINCT ON (campaign_id, member_id) campaign_id, member_id, at FROM known
      WHERE campaign_id IS NOT NULL ORDER BY campaign_id, member_id, at
    ),
    tapped AS (
      UPDATE campaign_recipients AS recipient
      SET opened_at = coalesce(opened_at, firsts.at), clicked_at = firsts.at, status = 'clicked'
      FROM firsts
      WHERE recipient.campaign_id = firsts.campaign_id AND recipient.member_id = firsts.member_id AND clicked_at IS NULL
      RETURNING recipient.campaign_id, opened_at = firsts.at AS opened
    ),
    counting AS MATERIALIZED (
      SELECT id FROM campaigns WHERE id IN (SELECT campaign_id FROM tapped) ORDER BY id FOR NO KEY UPDATE
    ),
    counted AS (
      UPDATE campaigns SET clicked_count = clicked_count + clicked, opened_count = opened_count + opened
      FROM (SELECT campaign_id, count(*) AS clicked, count(*) FILTER (WHERE opened) AS opened
            FROM tapped JOIN counting ON counting.id = campaign_id GROUP BY campaign_id) AS taps
      WHERE campaigns.id = taps.campaign_id
    ),
    locked AS MATERIALIZED (
      SELECT id FROM tags WHERE id IN (SELECT unnest(tag_ids) FROM known) AND (SELECT count(*) FROM counting) >= 0
      ORDER BY id FOR NO KEY UPDATE
    ),
    tagging AS MATERIALIZED (
      SELECT member_id, locked.id AS tag_id, campaign_id, source, at
      FROM known CROSS JOIN LATERAL unnest(tag_ids) AS tag (id) JOIN locked ON locked.id = tag.id
      ORDER BY member_id, tag_id, at
    ),
    tagged AS (
      INSERT INTO member_tag_relations (member_id, tag_id, tagged_at)
      SELECT member_id, tag_id, min(at) FROM tagging GROUP BY member_id, tag_id ORDER BY member_id, tag_id
      ON CONFLICT DO NOTHING
    ),
    logged AS (
      INSERT INTO tag_trigger_logs (member_id, tag_id, campaign_id, trigger_source, triggered_at)
      SELECT member_id, tag_id, campaign_id, source, at FROM tagging ON CONFLICT DO NOTHING
    ),
    seen AS (
      UPDATE members SET last_interaction_at = greatest(last_interaction_at, latest.at)
      FROM (SELECT member_id, max(at) AS at FROM known GROUP BY member_id) AS latest
      WHERE members.id = latest.member_id
    )
    SELECT i FROM known`,
};
