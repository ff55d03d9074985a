/** How users are shown to admins. */
import { Type } from "typebox";
import type { UserRow } from "#lib/crm/users/users.ts";
import { OrNull, Time } from "../_api.ts";

export const UserInfo = Type.Object({
  id: Type.Integer(),
  username: Type.String(),
  email: Type.String(),
  full_name: OrNull(Type.String()),
  role: Type.String(),
  is_active: Type.Boolean(),
  last_login_at: OrNull(Time),
  created_at: Time,
  updated_at: OrNull(Time),
});

export function userInfo(user: UserRow) {
  return {
    id: user.id,
    username: user.username,
    email: user.email,
    full_name: user.fullName ?? null,
    role: user.role,
    is_active: user.isActive,
    last_login_at: user.lastLoginAt?.toISOString() ?? null,
    created_at: user.createdAt.toISOString(),
    updated_at: user.updatedAt?.toISOString() ?? null,
  };
}
