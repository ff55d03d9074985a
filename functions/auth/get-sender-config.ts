import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { senderConfigNotFound } from "#lib/auth/problems.ts";
import { readSenderConfig } from "#lib/auth/sender-configs.ts";
import { authApi, SenderConfigId, SenderConfigInfo, senderConfigInfo } from "./_api.ts";

export default authApi
  .get("/api/v1/auth/sender-config/:id", {
    summary: "Look up a sender config",
    access: client("admin"),
    params: SenderConfigId,
    returns: Type.Object({ success: Type.Literal(true), data: SenderConfigInfo }),
    problems: [senderConfigNotFound],
  })
  .handle(async ({ params }, ctx) => {
    return { success: true, data: senderConfigInfo(await readSenderConfig(ctx, params.id)) };
  });
