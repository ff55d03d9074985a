/** What can be wrong with a token, and with a request about tokens and senders. */
import { Problem } from "../../runtime/problem.ts";

const challenge = { "www-authenticate": "Bearer" };

const unauthorized = (code: string, message: string) => {
  const kind = Problem.kind(401, code, message);
  return Object.assign(() => kind({ headers: challenge }), { status: 401, code, message });
};

export const missingToken = unauthorized("missing_token", "Send an Authorization header: Bearer <token>");
export const invalidTokenFormat = unauthorized(
  "invalid_token_format",
  "The Authorization header must be: Bearer <token>",
);
export const invalidToken = unauthorized("invalid_token", "The token is not valid");
export const tokenRevoked = unauthorized("token_revoked", "The token has been revoked");
export const permissionDenied = Problem.kind(403, "permission_denied", "The token lacks the permission for this");

export const tokenNotFound = Problem.kind(404, "token_not_found", "No token has this id");
export const senderConfigNotFound = Problem.kind(404, "sender_config_not_found", "No sender config has this id");
export const senderConfigExists = Problem.kind(409, "sender_config_exists", "This sender has a config already");
export const invalidSenderDomain = Problem.kind(
  400,
  "invalid_sender_domain",
  "sender_email must be of the organisation's domain",
);
