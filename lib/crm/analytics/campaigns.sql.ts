/** What campaigns have come to. Their counts are kept with them, so none of this reads recipients. */

/** Sent on a day from $1 to $2; by `campaigns_sent`. */
const sentWithin = `
  sent_at >= $1::date::timestamp AT TIME ZONE 'Asia/Taipei' AND sent_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Taipei'`;

export interface CampaignCounts {
  sent: number;
  opened: number;
  clicked: number;
  converted: number;
}

/** Of all campaigns that were sent on a day from $1 to $2, together. */
export const sumCampaigns = `
  SELECT coalesce(sum(sent_count), 0)::float8 AS sent, coalesce(sum(opened_count), 0)::float8 AS opened,
    coalesce(sum(clicked_count), 0)::float8 AS clicked, coalesce(sum(conversion_count), 0)::float8 AS converted
  FROM campaigns WHERE ${sentWithin}`;

export interface CampaignResult extends CampaignCounts {
  id: number;
  title: string;
  sent_at: Date;
}

/** Newest first: $3 of them, after the one that was sent at $4 and has the id $5, or from the newest. */
export const selectCampaigns = `
  SELECT id::float8 AS id, title, sent_at, sent_count AS sent, opened_count AS opened, clicked_count AS clicked,
    conversion_count AS converted
  FROM campaigns WHERE ${sentWithin} AND ($4::timestamptz IS NULL OR (sent_at, id) < ($4, $5::bigint))
  ORDER BY sent_at DESC, id DESC LIMIT $3`;

export const countCampaigns = `SELECT count(*)::int AS count FROM campaigns WHERE ${sentWithin}`;
