import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { invalidSenderDomain, senderConfigExists } from "#lib/auth/problems.ts";
import { createSenderConfig } from "#lib/auth/sender-configs.ts";
import { authApi, SenderConfigInfo, senderConfigInfo, senderSettings } from "./_api.ts";

const NewSenderConfig = Type.Object({
  sender_email: Type.String({ maxLength: 500, description: "Address of the organisation, without a name" }),
  ...senderSettings,
});

export default authApi
  .post("/api/v1/auth/sender-config", {
    summary: "Keep the Microsoft application that a sender of the organisation sends with",
    access: client("admin"),
    body: NewSenderConfig,
    returns: Type.Object({ success: Type.Literal(true), data: SenderConfigInfo }),
    status: 201,
    problems: [invalidSenderDomain, senderConfigExists],
  })
  .handle(async ({ body }, ctx) => {
    const config = await createSenderConfig(ctx, body.sender_email, {
      tenantId: body.ms_tenant_id,
      clientId: body.ms_client_id,
      clientSecret: body.ms_client_secret,
      isActive: body.is_active ?? true,
      clientIds: body.client_ids ?? null,
    });
    return { success: true, data: senderConfigInfo(config) };
  });
