/** How a template is taken and shown. */
import { Type, type Static } from "typebox";
import { templateTypes } from "#lib/crm/templates/template.ts";
import type { StoredTemplate } from "#lib/crm/templates/store.ts";
import { Id, OrNull, Time } from "./_api.ts";

export const TemplateType = Type.Enum([...templateTypes]);

/** What LINE takes of a text is told by field; this only keeps off what is absurd. */
const text = (description: string) => Type.Optional(OrNull(Type.String({ maxLength: 10_000 }), { description }));
const tag = Type.Optional(OrNull(Id, { description: "An interaction tag: added by a tap" }));
const url = text("Where a tap leads to; without it, it is a postback");

const Button = Type.Object({ label: Type.String({ maxLength: 1000 }), action_url: url, interaction_tag_id: tag });
const Card = Type.Object({
  image_url: Type.String({ maxLength: 10_000, description: "An https address of a JPEG or PNG" }),
  title: text("In bold"),
  description: text("Below the title"),
  price: Type.Optional(OrNull(Type.Number({ minimum: 0 }))),
  action_url: url,
  interaction_tag_id: tag,
  sort_order: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, description: "Default: its place here" })),
});

/** All but the type, which a new one must have. */
export const optionalSettings = {
  name: text("For people"),
  content: text("The text of text and text_button"),
  buttons: Type.Optional(OrNull(Type.Array(Button, { maxItems: 100 }), { description: "Of text_button" })),
  notification_text: text("What LINE shows in its notification: the alt text"),
  preview_text: text("Stands in for notification_text"),
  interaction_tag_id: tag,
  interaction_result: Type.Optional(
    OrNull(Type.Record(Type.String(), Type.Unknown()), { description: "Kept as it is" }),
  ),
  carousel_items: Type.Optional(
    Type.Array(Card, { maxItems: 100, description: "The cards of image_card; the one picture of image_click" }),
  ),
};

export const TemplateLine = Type.Object({ id: Id, name: OrNull(Type.String()), type: TemplateType, created_at: Time });

const ShownButton = Type.Object({
  label: Type.String(),
  action_url: OrNull(Type.String()),
  interaction_tag_id: OrNull(Id),
});
const ShownCard = Type.Object({
  id: Id,
  image_url: Type.String(),
  title: OrNull(Type.String()),
  description: OrNull(Type.String()),
  price: OrNull(Type.Number()),
  action_url: OrNull(Type.String()),
  interaction_tag_id: OrNull(Id),
  sort_order: Type.Integer(),
});

export const TemplateInfo = Type.Object({
  id: Id,
  type: TemplateType,
  name: OrNull(Type.String()),
  content: OrNull(Type.String()),
  buttons: OrNull(Type.Array(ShownButton)),
  notification_text: OrNull(Type.String()),
  preview_text: OrNull(Type.String()),
  interaction_tag_id: OrNull(Id),
  interaction_result: OrNull(Type.Record(Type.String(), Type.Unknown())),
  carousel_items: Type.Array(ShownCard),
  created_at: Time,
});

export function templateInfo(template: StoredTemplate): Static<typeof TemplateInfo> {
  const buttons = template.buttons?.map(({ label, action_url: to, interaction_tag_id: id }) => ({
    label,
    action_url: to ?? null,
    interaction_tag_id: id ?? null,
  }));
  return { ...template, buttons: buttons ?? null, created_at: template.created_at.toISOString() };
}
