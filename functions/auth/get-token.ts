import { client } from "#lib/auth/access.ts";
import { tokenNotFound } from "#lib/auth/problems.ts";
import { TokenInfo, tokenInfo } from "#lib/auth/token-info.ts";
import { readToken } from "#lib/auth/tokens.ts";
import { authApi, TokenId } from "./_api.ts";

export default authApi
  .get("/api/v1/auth/token/:id", {
    summary: "Look up a token",
    access: client("admin"),
    params: TokenId,
    returns: TokenInfo,
    problems: [tokenNotFound],
  })
  .handle(async ({ params }, ctx) => tokenInfo(await readToken(ctx, params.id)));
