/** Templates as they are stored. */
import type { TemplateButton, TemplateType } from "./template.ts";

export interface StoredItem {
  id: number;
  image_url: string;
  title: string | null;
  description: string | null;
  price: number | null;
  action_url: string | null;
  interaction_tag_id: number | null;
  sort_order: number;
}

/** A template with its cards. As JSON it is what a campaign keeps of it. */
export interface StoredTemplate {
  id: number;
  type: TemplateType;
  name: string | null;
  content: string | null;
  buttons: TemplateButton[] | null;
  notification_text: string | null;
  preview_text: string | null;
  interaction_tag_id: number | null;
  interaction_result: Record<string, unknown> | null;
  carousel_items: StoredItem[];
  created_at: Date;
}

export interface TemplateLine {
  id: number;
  name: string | null;
  type: TemplateType;
  created_at: Date;
}

/** Of the type $1, or of all: $2 from $3 on, newest first. */
export const selectTemplates = `
  SELECT id::float8 AS id, name, type, created_at FROM message_templates
  WHERE $1::text IS NULL OR type = $1 ORDER BY id DESC LIMIT $2 OFFSET $3`;

export const countTemplates = `
  SELECT count(*)::int AS total FROM message_templates WHERE $1::text IS NULL OR type = $1`;

export const selectTemplate = `
  SELECT id::float8 AS id, type, name, content, buttons, notification_text, preview_text,
    interaction_tag_id::float8 AS interaction_tag_id, interaction_result, created_at,
    coalesce((
      SELECT jsonb_agg(jsonb_build_object(
        'id', id, 'image_url', image_url, 'title', title, 'description', description, 'price', price,
        'action_url', action_url, 'interaction_tag_id', interaction_tag_id, 'sort_order', sort_order)
        ORDER BY sort_order, id)
      FROM template_carousel_items WHERE template_id = message_templates.id), '[]') AS carousel_items
  FROM message_templates WHERE id = $1`;

export const lockTemplate = "SELECT FROM message_templates WHERE id = $1 FOR UPDATE";

/** $1: a template as JSON. */
export const insertTemplate = `
  INSERT INTO message_templates (type, name, content, buttons, notification_text, preview_text, interaction_tag_id,
    interaction_result)
  SELECT type, name, content, nullif(buttons, 'null'), notification_text, preview_text, interaction_tag_id,
    nullif(interaction_result, 'null')
  FROM jsonb_to_record($1::jsonb) AS given (type text, name text, content text, buttons jsonb, notification_text text,
    preview_text text, interaction_tag_id bigint, interaction_result jsonb)
  RETURNING id::float8 AS id`;

/** Makes the template $2 what $1 says. */
export const updateTemplate = `
  UPDATE message_templates AS kept SET
    type = given.type, name = given.name, content = given.content, buttons = nullif(given.buttons, 'null'),
    notification_text = given.notification_text, preview_text = given.preview_text,
    interaction_tag_id = given.interaction_tag_id, interaction_result = nullif(given.interaction_result, 'null'),
    updated_at = now()
  FROM jsonb_to_record($1::jsonb) AS given (type text, name text, content text, buttons jsonb, notification_text text,
    preview_text text, interaction_tag_id bigint, interaction_result jsonb)
  WHERE kept.id = $2`;

/** Gives the template $1 the cards $2, in the order in which they stand there. */
export const insertItems = `
  INSERT INTO template_carousel_items (template_id, image_url, title, description, price, action_url,
    interaction_tag_id, sort_order)
  SELECT $1, item->>'image_url', item->>'title', item->>'description', (item->>'price')::numeric, item->>'action_url',
    (item->>'interaction_tag_id')::bigint, (item->>'sort_order')::int
  FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS given (item, place) ORDER BY place`;

export const deleteItems = "DELETE FROM template_carousel_items WHERE template_id = $1";
export const deleteTemplate = "DELETE FROM message_templates WHERE id = $1";

/** Which of the tags $1 are of interactions. They stay so until the transaction ends. */
export const lockTags = `
  SELECT id::float8 AS id FROM tags WHERE id = ANY($1::bigint[]) AND type = 'interaction' ORDER BY id FOR KEY SHARE`;

export interface TemplateUse {
  kind: "campaigns" | "auto_responses";
  id: number;
  name: string;
}

/** What uses the template $1: some of it, where it is much. */
export const selectUses = `
  (SELECT 'campaigns' AS kind, id::float8 AS id, title AS name FROM campaigns WHERE template_id = $1 ORDER BY id DESC LIMIT 10)
  UNION ALL
  (SELECT 'auto_responses', id::float8, name FROM auto_responses WHERE template_id = $1 ORDER BY id DESC LIMIT 10)`;
