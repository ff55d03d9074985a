/** How a member shows. */
import { Type, type Static } from "typebox";
import type { Context } from "#runtime";
import type { CrmUser } from "#lib/crm/access.ts";
import type { ListedRow } from "#lib/crm/members/list.ts";
import { averageSpent, shownIdNumber, type MemberRow } from "#lib/crm/members/members.ts";
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
  return {
    ...row,
    id_number: shownIdNumber(ctx, row.id_number, caller.role === "admin"),
    consumption_summary: { total_amount, total_orders, average_amount: averageSpent({ total_amount, total_orders }) },
    created_at: row.created_at.toISOString(),
    last_interaction_at: row.last_interaction_at?.toISOString() ?? null,
  };
}
