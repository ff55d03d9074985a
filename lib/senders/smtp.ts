/** SMTP relays: that of the environment, or a mail's own. */
import type { Context } from "../../runtime/context.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import { senderNotConfigured } from "../mail/problems.ts";
import { base64Length, fileContent } from "../resources/file-content.ts";
import { LoginFailure } from "../resources/microsoft-tokens.ts";
import { RelayFailure } from "../resources/smtp-outcome.ts";
import type { Relay } from "../resources/smtp-relays.ts";
import type { ProviderAnswer } from "./classify.ts";
import { answerOfLogin } from "./graph/session.ts";
import { messageOf } from "./message.ts";
import { domainOf } from "./route.ts";
import type { Sender } from "./sender.ts";

/** The sender to a relay, which is asked for when a mail is sent: only then is the password of an own one needed. */
export function smtp(relay: () => Relay | undefined): Sender {
  return {
    name: "smtp",
    async send(mail, ctx) {
      const server = relay();
      if (!server) throw senderNotConfigured({ message: "No SMTP relay is configured: set SMTP_HOST" });
      return await sendBySmtp(server, mail, ctx);
    },
  };
}

type Sending = Pick<Context, "attachments" | "smtpRelays" | "signal">;

/** Sends to all recipients in one transaction. */
export async function sendBySmtp(relay: Relay, mail: OutgoingMail, ctx: Sending): Promise<ProviderAnswer> {
  const { attachments, smtpRelays, signal } = ctx;
  const pathOf = (path: string) => attachments.resolve(path);
  const files = await Promise.all(mail.attachments.map(({ path }) => fileContent(pathOf(path))));
  const message = {
    ...messageOf(mail, {
      domain: domainOf(mail.from),
      files: mail.attachments,
      source: ({ path }) => ({ path: pathOf(path) }),
    }),
    envelope: {
      from: { address: relay.from ?? mail.from },
      to: [...mail.to, ...mail.cc, ...mail.bcc].map((address) => ({ address })),
      // A little less than it will be: what the relay then finds too large, it refuses before it has got it.
      size: files.reduce((sum, { sizeBytes }) => sum + base64Length(sizeBytes), 0),
    },
  };
  try {
    const { reply, refused } = await smtpRelays.send(relay, message, signal);
    return { kind: "smtp", reply, step: "message", refused };
  } catch (error) {
    if (error instanceof RelayFailure) return answerOf(error);
    throw error;
  }
}

function answerOf(failure: RelayFailure): ProviderAnswer {
  const { reply, text, step, code, progress } = failure;
  for (let cause: unknown = failure; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof LoginFailure) return answerOfLogin(cause);
  }
  if (reply !== undefined) return { kind: "smtp", reply, step, detail: text };
  if (progress === "whole") {
    const detail = "The connection failed after the message was written; the relay may have taken it";
    return { kind: "failure", code, connecting: false, detail };
  }
  const detail =
    progress === "part"
      ? "The connection failed before the whole message was written, so the relay has not taken it"
      : "The connection failed before the message was begun, so the relay has not seen it";
  return { kind: "failure", code, connecting: true, detail };
}
