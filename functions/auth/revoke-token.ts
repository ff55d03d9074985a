import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { tokenNotFound } from "#lib/auth/problems.ts";
import { revokeToken } from "#lib/auth/tokens.ts";
import { authApi, TokenId } from "./_api.ts";

export default authApi
  .delete("/api/v1/auth/token/:id", {
    summary: "Revoke a token",
    description: "Within a second no container lets it in any more. Revoking it again changes nothing.",
    access: client("admin"),
    params: TokenId,
    returns: Type.Object({ success: Type.Literal(true), message: Type.String() }),
    problems: [tokenNotFound],
  })
  .handle(async ({ params }, ctx) => {
    await revokeToken(ctx, params.id);
    return { success: true, message: "Token 已撤銷" };
  });
