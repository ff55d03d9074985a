import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { senderConfigNotFound } from "#lib/auth/problems.ts";
import { deleteSenderConfig } from "#lib/auth/sender-configs.ts";
import { authApi, SenderConfigId } from "./_api.ts";

export default authApi
  .delete("/api/v1/auth/sender-config/:id", {
    summary: "Delete a sender config",
    description: "Within a second no container sends by it any more; mail that waits for it fails.",
    access: client("admin"),
    params: SenderConfigId,
    returns: Type.Object({ success: Type.Literal(true), message: Type.String() }),
    problems: [senderConfigNotFound],
  })
  .handle(async ({ params }, ctx) => {
    await deleteSenderConfig(ctx, params.id);
    return { success: true, message: "Sender config 已刪除" };
  });
