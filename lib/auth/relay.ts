/** Who may hand over mail by SMTP, and as whom. */
import type { Context } from "../../runtime/context.ts";
import { Problem, problems } from "../../runtime/problem.ts";
import type { SmtpAccess, SmtpSession } from "../../runtime/smtp.ts";
import { parseAddress } from "../mail/address.ts";
import { identify } from "./access.ts";
import { Caller } from "./caller.ts";
import { permissionDenied, tokenRevoked } from "./problems.ts";

export const authenticationRequired = Problem.kind(
  401,
  "authentication_required",
  "Sign in first: user is your client_id, password your token",
);
export const senderDomainNotAllowed = Problem.kind(
  403,
  "sender_domain_not_allowed",
  "Mail from this domain is not taken here",
);
export const internationalLocalPart = Problem.kind(
  400,
  "international_local_part",
  "Before the @ only ASCII is taken: providers do not deliver to other addresses",
);

/** To whom the mail belongs of those that need not sign in. */
const relayCaller = new Caller({
  id: "",
  client_id: "smtp-relay",
  client_name: "SMTP relay",
  department: null,
  permissions: ["mail:send"],
});

/**
 * Clients with their token, and from the networks of SMTP_ALLOWED_NETWORKS anybody, as the client `smtp-relay`, unless
 * everybody has to sign in.
 */
export const relay: SmtpAccess<Caller> = {
  name: "mail:send, or an allowed network",

  async check({ remoteAddress, credentials }, ctx) {
    // At once, and not when the message has come.
    if (!ctx.db.isUp()) throw problems.unavailable();
    if (credentials) return await signedIn(ctx, credentials);
    if (ctx.config.smtp.authRequired || !ctx.relayNetworks.has(remoteAddress)) throw authenticationRequired();
    return relayCaller;
  },

  sender(address, _caller, ctx) {
    if (address !== "") checkSenderDomain(ctx, parsed(address).domain);
  },

  recipient(address) {
    parsed(address);
  },

  trusts: (remoteAddress, { relayNetworks }) => relayNetworks.has(remoteAddress),
};

/** SMTP_ALLOWED_DOMAINS holds for the envelope's sender and the message's. Domains are compared exactly. */
export function checkSenderDomain({ config }: Pick<Context, "config">, domain: string): void {
  const { allowedDomains } = config.smtp;
  if (allowedDomains.length > 0 && !allowedDomains.includes(domain)) throw senderDomainNotAllowed();
}

async function signedIn(ctx: Context, { user, password }: NonNullable<SmtpSession["credentials"]>): Promise<Caller> {
  const known = ctx.callers.get(password) ?? (await identify(ctx, password));
  if (known === "revoked") throw tokenRevoked();
  if (known.clientId !== user) throw permissionDenied({ message: "This token is not of this client" });
  if (!known.may("mail:send")) throw permissionDenied({ message: "This needs a token with the permission mail:send" });
  return known;
}

/** Throws `invalid_request`, or `international_local_part`, for an address that no mail can be sent to. */
function parsed(address: string) {
  const result = parseAddress(address);
  if (typeof result !== "string") return result;
  if (/[^ -~]/.test(address.slice(0, address.lastIndexOf("@")))) throw internationalLocalPart();
  throw problems.invalidRequest({ message: `The address ${result}` });
}
