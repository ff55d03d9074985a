import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { senderConfigNotFound } from "#lib/auth/problems.ts";
import { updateSenderConfig } from "#lib/auth/sender-configs.ts";
import { authApi, SenderConfigId, SenderConfigInfo, senderConfigInfo, senderSettings } from "./_api.ts";

export default authApi
  .put("/api/v1/auth/sender-config/:id", {
    summary: "Change a sender config",
    description: "What is left out stays as it is. Every container sends by the change within a second.",
    access: client("admin"),
    params: SenderConfigId,
    body: Type.Partial(Type.Object(senderSettings)),
    returns: Type.Object({ success: Type.Literal(true), data: SenderConfigInfo }),
    problems: [senderConfigNotFound],
  })
  .handle(async ({ params, body }, ctx) => {
    const config = await updateSenderConfig(ctx, params.id, {
      tenantId: body.ms_tenant_id,
      clientId: body.ms_client_id,
      clientSecret: body.ms_client_secret,
      isActive: body.is_active,
      clientIds: body.client_ids,
    });
    return { success: true, data: senderConfigInfo(config) };
  });
