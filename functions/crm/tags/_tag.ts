/** How a tag shows, and what may be said of it. */
import { Type, type Static } from "typebox";
import type { TagRow } from "#lib/crm/tags/tags.ts";
import { PlainText } from "#lib/plain-text.ts";
import { tagSources, tagTypes } from "#lib/crm/values.ts";
import { Id, OrNull, Time } from "../_api.ts";

export const TagType = Type.Enum([...tagTypes]);

export const ListedTag = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  type: TagType,
  source: Type.Enum([...tagSources]),
  member_count: Type.Integer(),
  trigger_count: Type.Optional(Type.Integer({ description: "Of interaction tags" })),
  created_at: Time,
});

export const TagInfo = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  type: TagType,
  source: Type.Enum([...tagSources]),
  description: OrNull(Type.String()),
  campaign_id: OrNull(Type.Integer()),
  member_count: Type.Integer(),
  trigger_count: Type.Integer(),
  created_at: Time,
  updated_at: OrNull(Time),
});

export const tagSettings = {
  name: PlainText({ maxLength: 50 }),
  type: TagType,
  source: Type.Optional(Type.Enum([...tagSources], { description: "manual unless told" })),
  description: Type.Optional(OrNull(PlainText({ minLength: 0, maxLength: 200 }))),
  campaign_id: Type.Optional(OrNull(Id, { description: "Of an interaction tag: the campaign that it tells of" })),
};

export function listedTag(tag: TagRow): Static<typeof ListedTag> {
  const { id, name, type, source, memberCount, triggerCount } = tag;
  const triggers = type === "interaction" && { trigger_count: triggerCount ?? 0 };
  return {
    id,
    name,
    type,
    source,
    member_count: memberCount ?? 0,
    ...triggers,
    created_at: tag.createdAt.toISOString(),
  };
}

export function tagInfo(tag: TagRow): Static<typeof TagInfo> {
  return {
    id: tag.id,
    name: tag.name,
    type: tag.type,
    source: tag.source,
    description: tag.description ?? null,
    campaign_id: tag.campaignId ?? null,
    member_count: tag.memberCount ?? 0,
    trigger_count: tag.triggerCount ?? 0,
    created_at: tag.createdAt.toISOString(),
    updated_at: tag.updatedAt?.toISOString() ?? null,
  };
}
