/** From the way a mail leaves to the sender that takes it there. */
import type { Context } from "../../runtime/context.ts";
import type { MailSource } from "../mail/mail.ts";
import { senderNotConfigured } from "../mail/problems.ts";
import { checkSenderAllowed, senderAccount } from "./account.ts";
import { graph } from "./graph.ts";
import { openRelay } from "./own-relay.ts";
import { domainOf, route } from "./route.ts";
import { sandbox } from "./sandbox.ts";
import { sendgrid } from "./sendgrid.ts";
import type { Sender } from "./sender.ts";
import { smtp } from "./smtp.ts";

/** What of a mail decides its sender. */
export interface Sent {
  source: MailSource;
  /** The sender's address, parsed. */
  from: string;
  /** Whose mail it is: a sender may be open to some clients only. */
  clientId: string;
  /** Its own relay, as `mails.relay` holds it, and the mail's id, for which it is sealed. */
  relay?: unknown;
  id?: string;
}

/**
 * The sender of a mail. Throws `sender_not_configured` when nothing takes it, and `sender_not_allowed` when it is not
 * open to the client.
 */
export async function chooseSender(
  ctx: Pick<Context, "config" | "db" | "senderConfigs" | "secrets">,
  { source, from, clientId, relay, id = "" }: Sent,
): Promise<Sender> {
  const way = route(ctx.config, { source, domain: domainOf(from), ownRelay: relay !== undefined });
  switch (way.by) {
    case "sandbox":
      return sandbox;
    case "sendgrid":
      return sendgrid;
    case "graph":
      if (way.credentials === "sender config") return graph(await senderAccount(ctx, from, clientId));
      await checkSenderAllowed(ctx, from, clientId);
      if (ctx.config.microsoft) return graph({ mailbox: from, ...ctx.config.microsoft });
      throw senderNotConfigured({ message: `No sender is configured for ${domainOf(from)}` });
    case "relay":
      if (way.relay === "own") return smtp(() => openRelay(ctx, relay, id));
      return smtp(() => ctx.config.relay);
  }
}
