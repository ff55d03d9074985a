/** What is shown of a token, by the API and the command line alike. */
import { Type, type Static } from "typebox";
import { Quota, type ClientTokenRow } from "./tokens.ts";

const Time = Type.String({ format: "date-time" });

export const TokenInfo = Type.Object({
  id: Type.String(),
  client_id: Type.String(),
  client_name: Type.String(),
  department: Type.Union([Type.String(), Type.Null()]),
  permissions: Type.Array(Type.String()),
  quota: Type.Optional(Quota),
  is_active: Type.Boolean(),
  created_at: Time,
  revoked_at: Type.Union([Time, Type.Null()]),
});

export function tokenInfo(token: ClientTokenRow): Static<typeof TokenInfo> {
  return {
    id: token.id,
    client_id: token.clientId,
    client_name: token.clientName,
    department: token.department ?? null,
    permissions: token.permissions,
    ...(token.quota && { quota: token.quota }),
    is_active: token.isActive,
    created_at: token.createdAt.toISOString(),
    revoked_at: token.revokedAt?.toISOString() ?? null,
  };
}
