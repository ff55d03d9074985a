/** What signing in answers. */
import { Type } from "typebox";
import { tokenSeconds } from "#lib/crm/access.ts";
import type { SignedIn as Signed } from "#lib/crm/users/sign-in.ts";
import { OrNull } from "../_api.ts";

/** What everybody may know of a user. */
export const userParts = {
  id: Type.Integer(),
  username: Type.String(),
  full_name: OrNull(Type.String()),
  role: Type.String(),
};

export const SignedIn = Type.Object({
  access_token: Type.String({ description: "For `Authorization: Bearer …`" }),
  token_type: Type.Literal("Bearer"),
  expires_in: Type.Integer({ description: "Seconds that it holds" }),
  user: Type.Object(userParts),
});

export function signedIn({ token, user: { id, username, fullName, role } }: Signed) {
  const user = { id, username, full_name: fullName, role };
  return { access_token: token, token_type: "Bearer" as const, expires_in: tokenSeconds, user };
}
