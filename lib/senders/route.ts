/** Which way a mail leaves. Pure: every row of the routing table has its case in the test. */
import type { Config } from "../config.ts";
import type { MailSource } from "../mail/mail.ts";
import { senderNotConfigured } from "../mail/problems.ts";

export type Route =
  | { by: "sandbox" }
  /** Microsoft Graph, with the credentials kept for the sender or those of the environment. */
  | { by: "graph"; credentials: "sender config" | "environment" }
  | { by: "sendgrid" }
  /** An SMTP relay: the mail's own, or that of the environment. */
  | { by: "relay"; relay: "own" | "environment" };

type Routing = Pick<Config, "sender" | "sendgrid" | "microsoft" | "relay" | "organisationDomains" | "production">;

export interface Routed {
  source: MailSource;
  /** Domain of the sender's address, in lower case. Compared exactly: a subdomain is another domain. */
  domain: string;
  /** Whether the mail has relay settings of its own. */
  ownRelay: boolean;
}

/**
 * Decides by source and sender's domain. Throws `sender_not_configured` when there is no way: at the request, so that
 * the client learns it, and again at delivery, when the configuration has changed in between. In development, what has
 * no provider stays in the sandbox.
 */
export function route(config: Routing, { source, domain, ownRelay }: Routed): Route {
  if (config.sender === "sandbox") return { by: "sandbox" };
  if (source === "schedule" && ownRelay) return { by: "relay", relay: "own" };
  if (source === "schedule" && config.relay) return { by: "relay", relay: "environment" };
  if (config.organisationDomains.includes(domain)) {
    if (source !== "smtp") return { by: "graph", credentials: "sender config" };
    if (config.microsoft) return { by: "graph", credentials: "environment" };
    return unconfigured(config, "Microsoft Graph is not configured for mail by SMTP: set MICROSOFT_TENANT_ID");
  }
  if (config.sendgrid) return { by: "sendgrid" };
  return unconfigured(config, "SendGrid is not configured: set SENDGRID_API_KEY");
}

function unconfigured({ production }: Routing, message: string): Route {
  if (production) throw senderNotConfigured({ message });
  return { by: "sandbox" };
}

/** The domain of an address that has been parsed before. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
