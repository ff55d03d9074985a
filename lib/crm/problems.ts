/** What the CRM's routes answer when they cannot do as asked. */
import { Problem, type Detail, problems } from "../../runtime/problem.ts";

const challenge = { "www-authenticate": "Bearer" };
const unauthorized = (code: string, message: string) => {
  const kind = Problem.kind(401, code, message);
  return Object.assign(() => kind({ headers: challenge }), { status: 401, code, message });
};

export const missingToken = unauthorized("missing_token", "Send an Authorization header: Bearer <token>");
export const invalidToken = unauthorized("invalid_token", "The token is not valid, or has ended: sign in again");
export const wrongCredentials = unauthorized("wrong_credentials", "The user name or the password is wrong");
export const notAllowed = Problem.kind(403, "not_allowed", "This is not for your role");

export const memberNotFound = Problem.kind(404, "member_not_found", "No member has this id");
export const tagNotFound = Problem.kind(404, "tag_not_found", "No tag has this id");
export const templateNotFound = Problem.kind(404, "template_not_found", "No template has this id");
export const campaignNotFound = Problem.kind(404, "campaign_not_found", "No campaign has this id");
export const autoResponseNotFound = Problem.kind(404, "auto_response_not_found", "No auto response has this id");
export const userNotFound = Problem.kind(404, "user_not_found", "No user has this id");

/** There is one already: names what is taken. */
export const alreadyThere = Problem.kind(409, "already_there", "There is one already");
export const lastAdmin = Problem.kind(409, "last_admin", "The last admin cannot be demoted or deactivated");
/** It is used: names by what. */
export const inUse = Problem.kind(409, "in_use", "It is in use");

/** 400, with what is wrong by field. */
export function invalid(...details: Detail[]): Problem {
  return problems.invalidRequest({ details, part: "body" });
}

/** 409 for a value that another one has. */
export function taken(field: string, message: string): Problem {
  return alreadyThere({ message: `${field} ${message}`, details: [{ field, message }] });
}
