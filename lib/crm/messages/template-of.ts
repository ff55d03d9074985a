/** Looks a template up as it is now. */
import type { Context } from "../../../runtime/context.ts";
import type { Template } from "../templates/template.ts";

/** Undefined when there is none. */
export async function templateOf({ db }: Pick<Context, "db">, id: number): Promise<Template | undefined> {
  const { rows } = await db.query<{ template: Template }>(
    `SELECT jsonb_build_object('type', type, 'name', name, 'content', content, 'buttons', buttons,
              'notification_text', notification_text, 'preview_text', preview_text,
              'interaction_tag_id', interaction_tag_id,
              'carousel_items', (SELECT jsonb_agg(jsonb_build_object('id', id, 'image_url', image_url, 'title', title,
                  'description', description, 'price', price, 'action_url', action_url,
                  'interaction_tag_id', interaction_tag_id, 'sort_order', sort_order) ORDER BY sort_order, id)
                FROM template_carousel_items WHERE template_id = message_templates.id)) AS template
     FROM message_templates WHERE id = $1`,
    [id],
  );
  return rows[0]?.template;
}
