/** What needs a tag, so that it can neither go nor become one of another type. */
import type { Queryable } from "../../resources/database.ts";

export interface TagUse {
  kind: "template" | "campaign" | "auto_response";
  id: number;
  name: string;
}

/** Most that are named. */
const most = 10;

/** Templates that set it, auto responses that answer with one of those, and campaigns yet to be sent that choose by it. */
export async function usesOfTag(db: Queryable, id: number): Promise<TagUse[]> {
  const { rows } = await db.query<TagUse>(
    `WITH templates AS (
       SELECT id, coalesce(name, '') AS name FROM message_templates
       WHERE interaction_tag_id = $1
          OR buttons @> jsonb_build_array(jsonb_build_object('interaction_tag_id', $1::bigint))
          OR id IN (SELECT template_id FROM template_carousel_items WHERE interaction_tag_id = $1))
     SELECT kind, id::float8 AS id, name FROM (
       SELECT 'template' AS kind, id, name FROM templates
       UNION ALL
       SELECT 'auto_response', id, name FROM auto_responses WHERE template_id IN (SELECT id FROM templates)
       UNION ALL
       SELECT 'campaign', id, title FROM campaigns
       WHERE status IN ('draft', 'scheduled')
         AND (target_audience->'include_tags' @> to_jsonb($1::bigint) OR target_audience->'exclude_tags' @> to_jsonb($1::bigint))
     ) AS uses ORDER BY kind DESC, id LIMIT ${most}`,
    [id],
  );
  return rows;
}
