/** What can be wrong with a request about mail. */
import { Problem } from "../../runtime/problem.ts";

export const emptyBody = Problem.kind(400, "empty_body", "Give the mail a body, html, or both");
export const attachmentTooLarge = Problem.kind(400, "attachment_too_large", "An attachment is too large");
export const mailTooLarge = Problem.kind(400, "mail_too_large", "The mail is larger than its provider takes");
export const senderNotConfigured = Problem.kind(
  400,
  "sender_not_configured",
  "No sender is configured for the domain of this address",
);
export const senderNotAllowed = Problem.kind(
  403,
  "sender_not_allowed",
  "This sender's configuration does not list your client",
);
export const idempotencyKeyReused = Problem.kind(
  422,
  "idempotency_key_reused",
  "This Idempotency-Key was used for another request",
);
export const cannotCancel = Problem.kind(400, "cannot_cancel", "Only queued mails can be cancelled");
export const cannotRetry = Problem.kind(400, "cannot_retry", "Only failed mails can be retried");
export const mailNotFound = Problem.kind(404, "mail_not_found", "No mail of yours has this id");
