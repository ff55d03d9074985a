/** What campaigns refuse. */
import { Problem } from "../../../runtime/problem.ts";
import type { LineQuota } from "../../resources/line-reads.ts";

export const wrongState = Problem.kind(409, "wrong_state", "The campaign's state does not allow this");
export const overQuota = Problem.kind(409, "over_quota", "LINE's messages of this month do not suffice");
export const lineNotSet = Problem.kind(
  409,
  "line_not_set",
  "Nothing can be sent: LINE_CHANNEL_ACCESS_TOKEN is not set",
);
export const cannotRender = Problem.kind(409, "cannot_render", "LINE would not take the template as it is");

/** 409 with the state that the campaign is in. */
export function isIn(state: string, allowed: string): Problem {
  return wrongState({
    message: `The campaign is ${state}: ${allowed}`,
    details: [{ field: "status", message: `is ${state}` }],
  });
}

export function quotaMissed(count: number, { limit, remaining }: Pick<LineQuota, "limit" | "remaining">): Problem {
  const message = `${count} recipients are more than the ${remaining} messages that are left of the month's ${limit}`;
  return overQuota({ message, details: [{ field: "audience_count", message: `is ${count}; ${remaining} are left` }] });
}
