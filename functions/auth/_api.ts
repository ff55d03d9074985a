/** The API for tokens and senders, administrators only: its style, and how it shows both. */
import { Type, type Static } from "typebox";
import { http } from "#runtime";
import type { ShownSenderConfig } from "#lib/auth/sender-configs.ts";
import { PlainText } from "#lib/plain-text.ts";
import { proxyStyle } from "#lib/proxy-style.ts";

export const authApi = http.style(proxyStyle);

export const TokenId = Type.Object({
  id: PlainText({ maxLength: 100, description: "The token's id, or its client's" }),
});

export const SenderConfigId = Type.Object({
  id: Type.String({ description: "The sender config's id", format: "uuid" }),
});

/** Tenants and applications are UUIDs, or domain names; a tenant becomes part of an address at Microsoft. */
const MicrosoftId = (description: string) => Type.String({ pattern: "^[\\w.-]{1,255}$", description });

/** What a sender config is made of, and what can be changed of it. */
export const senderSettings = {
  ms_tenant_id: MicrosoftId("Entra tenant"),
  ms_client_id: MicrosoftId("Application in that tenant"),
  ms_client_secret: PlainText({ maxLength: 1000, description: "Its secret: kept sealed, shown masked" }),
  is_active: Type.Optional(Type.Boolean({ description: "Whether it may be sent with" })),
  client_ids: Type.Optional(
    Type.Union([Type.Array(PlainText({ maxLength: 100 }), { minItems: 1, maxItems: 1000 }), Type.Null()], {
      description: "Clients that may send as this sender; null: every client",
    }),
  ),
};

export const SenderConfigInfo = Type.Object({
  id: Type.String(),
  sender_email: Type.String(),
  ms_tenant_id: Type.String(),
  ms_client_id: Type.String(),
  ms_client_secret_masked: Type.String(),
  is_active: Type.Boolean(),
  client_ids: Type.Union([Type.Array(Type.String()), Type.Null()]),
  created_at: Type.String({ format: "date-time" }),
});

export function senderConfigInfo(config: ShownSenderConfig): Static<typeof SenderConfigInfo> {
  return {
    id: config.id,
    sender_email: config.senderEmail,
    ms_tenant_id: config.tenantId,
    ms_client_id: config.clientId,
    ms_client_secret_masked: config.maskedSecret,
    is_active: config.isActive,
    client_ids: config.clientIds && [...config.clientIds],
    created_at: config.createdAt.toISOString(),
  };
}
