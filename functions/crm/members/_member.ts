/** How a member shows, and what may be said of him. */
import { Type, type Static } from "typebox";
import type { Context } from "#runtime";
import type { CrmUser } from "#lib/crm/access.ts";
import type { ListedRow } from "#lib/crm/members/list.ts";
import { shownIdNumber, type MemberRow } from "#lib/crm/members/members.ts";
import { LongText, PlainText } from "#lib/plain-text.ts";
import { genders, memberSources, tagTypes } from "#lib/crm/values.ts";
import { Day, OrNull, Time } from "../_api.ts";

export const TagOfMember = Type.Object({ id: Type.Integer(), name: Type.String(), type: Type.Enum([...tagTypes]) });

const Text = OrNull(Type.String());

export const ListedMember = Type.Object({
  id: Type.Integer(),
  line_uid: Text,
  line_display_name: Text,
  first_name: Text,
  last_name: Text,
  email: Text,
  phone: Text,
  tags: Type.Array(TagOfMember),
  created_at: Time,
  last_interaction_at: OrNull(Time),
});

export const MemberInfo = Type.Object({
  id: Type.Integer(),
  line_uid: Text,
  line_display_name: Text,
  line_picture_url: Text,
  first_name: Text,
  last_name: Text,
  gender: OrNull(Type.Enum([...genders])),
  birthday: OrNull(Day),
  email: Text,
  phone: Text,
  id_number: OrNull(Type.String(), { description: "Whole for an admin; else masked: A****789" }),
  source: Type.Enum([...memberSources]),
  accept_marketing: Type.Boolean(),
  notes: Text,
  tags: Type.Array(TagOfMember),
  consumption_summary: Type.Object({
    total_amount: Type.Number(),
    total_orders: Type.Integer(),
    average_amount: Type.Number(),
  }),
  created_at: Time,
  last_interaction_at: OrNull(Time),
});

export const Notes = LongText({ maxLength: 10_000 });

const line = (maxLength: number, description: string) =>
  Type.Optional(OrNull(PlainText({ maxLength }), { description }));

/** All of it may be left out; null says that there is none. */
export const MemberSettings = Type.Object({
  email: line(100, "user@example.com"),
  phone: line(20, "National, or international with +"),
  first_name: line(50, "Given name"),
  last_name: line(50, "Family name"),
  gender: Type.Optional(OrNull(Type.Enum([...genders]))),
  birthday: Type.Optional(OrNull(Day)),
  id_number: line(50, "Of an identity card or passport; kept sealed"),
  line_uid: line(100, "LINE's id of him"),
  line_display_name: line(100, "His name at LINE"),
  line_picture_url: Type.Optional(OrNull(PlainText({ maxLength: 500, pattern: String.raw`^https?://\S+$` }))),
  accept_marketing: Type.Optional(Type.Boolean({ description: "Whether campaigns may reach him; true unless told" })),
  notes: Type.Optional(OrNull(Notes)),
});

export function listedMember(row: ListedRow): Static<typeof ListedMember> {
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    last_interaction_at: row.last_interaction_at?.toISOString() ?? null,
  };
}

export function memberInfo(
  ctx: Context,
  { total_amount, total_orders, ...row }: MemberRow,
  caller: CrmUser,
): Static<typeof MemberInfo> {
  const average = total_orders === 0 ? 0 : Math.round((total_amount / total_orders) * 100) / 100;
  return {
    ...row,
    id_number: shownIdNumber(ctx, row.id_number, caller.role === "admin"),
    consumption_summary: { total_amount, total_orders, average_amount: average },
    created_at: row.created_at.toISOString(),
    last_interaction_at: row.last_interaction_at?.toISOString() ?? null,
  };
}
