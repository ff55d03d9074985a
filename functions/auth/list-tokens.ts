import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { TokenInfo, tokenInfo } from "#lib/auth/token-info.ts";
import { listTokens } from "#lib/auth/tokens.ts";
import { pageOf, Paging } from "#lib/paging.ts";
import { authApi } from "./_api.ts";

export default authApi
  .get("/api/v1/auth/tokens", {
    summary: "List all tokens, newest first",
    access: client("admin"),
    query: Paging,
    returns: Type.Object({
      total: Type.Integer(),
      page: Type.Integer(),
      limit: Type.Integer(),
      data: Type.Array(TokenInfo),
    }),
  })
  .handle(async ({ query }, ctx) => {
    const page = pageOf(query);
    const { total, tokens } = await listTokens(ctx, page);
    return { total, page: page.page, limit: page.limit, data: tokens.map(tokenInfo) };
  });
