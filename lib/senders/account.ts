/** As whom a mail leaves by Microsoft Graph. */
import type { Context } from "../../runtime/context.ts";
import { findSenderConfig, secretPlace, type SenderConfig } from "../auth/known-senders.ts";
import { senderNotAllowed, senderNotConfigured } from "../mail/problems.ts";

export interface GraphAccount {
  /** The mailbox that sends: the mail's sender. */
  readonly mailbox: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/**
 * The account that a sender's config names, for a client that may send as that sender. Throws `sender_not_configured`
 * where there is no config or an inactive one, and `sender_not_allowed` for a client that it does not list. Asked both
 * when a mail is accepted and when it is sent: the config may have changed in between.
 */
export async function senderAccount(
  ctx: Pick<Context, "db" | "senderConfigs" | "secrets">,
  from: string,
  clientId: string,
): Promise<GraphAccount> {
  const config = await findSenderConfig(ctx, from);
  if (!config?.isActive) {
    const what = config ? "The sender config of this address is inactive" : "No sender config exists for this address";
    throw senderNotConfigured({ message: what });
  }
  if (!isListed(config, clientId)) throw senderNotAllowed();
  return {
    mailbox: from,
    tenantId: config.tenantId,
    clientId: config.clientId,
    clientSecret: ctx.secrets.open(config.sealedSecret, secretPlace(config.id)),
  };
}

/** A sender that has a config for some clients only is not open to others by SMTP either, where no config is needed. */
export async function checkSenderAllowed(
  ctx: Pick<Context, "db" | "senderConfigs">,
  from: string,
  clientId: string,
): Promise<void> {
  const config = await findSenderConfig(ctx, from);
  if (config && !isListed(config, clientId)) throw senderNotAllowed();
}

function isListed({ clientIds }: SenderConfig, clientId: string): boolean {
  return clientIds === null || clientIds.includes(clientId);
}
