/** What SMTP clients are answered where the status of a problem does not say it: RFC 5321, RFC 3463, RFC 6531. */
import type { SmtpContract } from "../../../runtime/smtp.ts";

export const smtpReplies: NonNullable<SmtpContract<unknown>["replies"]> = {
  attachment_too_large: [552, "5.3.4"],
  international_local_part: [553, "5.6.7"],
  mail_too_large: [552, "5.3.4"],
  sender_not_configured: [550, "5.7.1"],
};
