import { from, smtp } from "#runtime";
import { relay } from "#lib/auth/relay.ts";
import { receiveMail } from "#lib/mail/receive.ts";
import { smtpReplies } from "#lib/mail/receive/replies.ts";

export default smtp({
  summary: "Take mail by SMTP",
  port: from((config) => config.smtp.port),
  tlsPort: from((config) => config.smtp.tlsPort),
  certificate: from((config) => config.smtp.certificate),
  hostname: from((config) => config.smtp.hostname),
  access: relay,
  trustsProxy: (address, { smtpProxies }) => smtpProxies.has(address),
  plainSignIn: from((config) => config.smtp.authWithoutTls),
  sizeLimit: from((config) => config.smtp.maxMessageBytes),
  connections: from((config) => config.smtp.connections),
  patience: from((config) => config.smtp.patience),
  // A large message may have to wait for its turn.
  timeLimitMs: 120_000,
  replies: smtpReplies,
}).handle(async (request, ctx) => receiveMail(ctx, request));
