/** How auto responses are written and shown. */
import { Type } from "typebox";
import { triggers, type AutoResponseRow } from "#lib/crm/auto-responses/store.ts";
import { PlainText } from "#lib/plain-text.ts";
import { Id, OrNull, Time } from "../_api.ts";

const ClockTime = Type.String({
  pattern: String.raw`^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$`,
  description: "HH:MM, Asia/Taipei",
});

export const Trigger = Type.Enum(triggers);

const fields = {
  name: PlainText({ maxLength: 100 }),
  trigger_type: Trigger,
  content: Type.Optional(
    Type.String({ maxLength: 5000, description: "The text that answers, unless a template does" }),
  ),
  template_id: Type.Optional(OrNull(Id, { description: "Answers with this template" })),
  keywords: Type.Optional(
    Type.Array(PlainText({ maxLength: 50 }), { maxItems: 100, description: "Of a keyword rule" }),
  ),
  is_active: Type.Optional(Type.Boolean({ description: "Default true" })),
  trigger_time_start: Type.Optional(OrNull(ClockTime, { description: "Of a time rule" })),
  trigger_time_end: Type.Optional(
    OrNull(ClockTime, { description: "Not within the window. One that is not after the start is on the next day" }),
  ),
};

export const NewAutoResponse = Type.Object(fields);
export const AutoResponseChanges = Type.Partial(NewAutoResponse);

export const AutoResponse = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  trigger_type: Trigger,
  content: Type.String(),
  template_id: Type.Optional(Type.Integer({ description: "Only where a template answers" })),
  keywords: Type.Optional(
    Type.Array(Type.Object({ id: Type.Integer(), keyword: Type.String(), match_count: Type.Integer() }), {
      description: "Only of keyword rules",
    }),
  ),
  trigger_time_start: Type.Optional(Type.String({ description: "Only of time rules" })),
  trigger_time_end: Type.Optional(Type.String()),
  is_active: Type.Boolean(),
  trigger_count: Type.Integer(),
  success_rate: Type.Number({ description: "Answers that LINE took, in percent" }),
  created_at: Time,
});

export function shownAutoResponse(row: AutoResponseRow) {
  const { trigger_time_start: start, trigger_time_end: end } = row;
  return {
    id: row.id,
    name: row.name,
    trigger_type: row.trigger_type,
    content: row.content,
    ...(row.template_id !== null && { template_id: row.template_id }),
    ...(row.trigger_type === "keyword" && { keywords: row.keywords }),
    ...(start !== null && end !== null && { trigger_time_start: start, trigger_time_end: end }),
    is_active: row.is_active,
    trigger_count: row.trigger_count,
    success_rate: Math.round(row.success_rate * 10) / 10,
    created_at: row.created_at.toISOString(),
  };
}
