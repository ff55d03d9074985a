import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { listSenderConfigs } from "#lib/auth/sender-configs.ts";
import { OptionalPaging, optionalPageOf } from "#lib/paging.ts";
import { authApi, SenderConfigInfo, senderConfigInfo } from "./_api.ts";

export default authApi
  .get("/api/v1/auth/sender-configs", {
    summary: "List all sender configs, newest first",
    description: "All of them, unless a page is asked for.",
    access: client("admin"),
    query: OptionalPaging,
    returns: Type.Object({
      success: Type.Literal(true),
      total: Type.Integer(),
      data: Type.Array(SenderConfigInfo),
    }),
  })
  .handle(async ({ query }, ctx) => {
    const { total, configs } = await listSenderConfigs(ctx, optionalPageOf(query));
    return { success: true, total, data: configs.map(senderConfigInfo) };
  });
