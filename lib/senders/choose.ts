/** From the way a mail leaves to the sender that takes it there. */
import type { Context } from "../../runtime/context.ts";
import type { MailSource } from "../mail/mail.ts";
import { senderNotConfigured } from "../mail/problems.ts";
import { domainOf, route } from "./route.ts";
import { sandbox } from "./sandbox.ts";
import { sendgrid } from "./sendgrid.ts";
import type { Sender } from "./sender.ts";

/** What of a mail decides its sender. */
export interface Sent {
  source: MailSource;
  /** The sender's address, parsed. */
  from: string;
  /** Whose mail it is: a sender may be open to some clients only. */
  clientId: string;
}

/** The sender of a mail. Throws `sender_not_configured` when nothing takes it. */
export async function chooseSender(ctx: Pick<Context, "config">, { source, from }: Sent): Promise<Sender> {
  const way = route(ctx.config, { source, domain: domainOf(from), ownRelay: false });
  switch (way.by) {
    case "sandbox":
      return sandbox;
    case "sendgrid":
      return sendgrid;
    case "graph":
    case "relay":
      throw senderNotConfigured({ message: `No sender is configured for ${domainOf(from)}` });
  }
}
