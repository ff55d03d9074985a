/** The five ways in which a token does not open the door. */
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
