/** Which provider a mail leaves by. The sender's domain decides, compared exactly: a subdomain is another domain. */
import type { Config } from "../config.ts";
import { senderNotConfigured } from "../mail/problems.ts";
import { sandbox } from "./sandbox.ts";
import { sendgrid } from "./sendgrid.ts";
import type { Sender } from "./sender.ts";

type Routing = Pick<Config, "sender" | "sendgrid" | "organisationDomains" | "production">;

/**
 * The sender for mail from an address of `domain`. Throws `sender_not_configured` when there is none: at the request,
 * so that the client learns it, and again at delivery, when the configuration has changed in between.
 */
export function chooseSender(config: Routing, domain: string): Sender {
  if (config.sender === "sandbox" || (!config.production && !config.sendgrid)) return sandbox;
  if (config.organisationDomains.includes(domain)) {
    throw senderNotConfigured({ message: `No sender is configured for ${domain}` });
  }
  if (!config.sendgrid) throw senderNotConfigured({ message: "SendGrid is not configured: set SENDGRID_API_KEY" });
  return sendgrid;
}

/** The domain of an address that has been parsed before. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
