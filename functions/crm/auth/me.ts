import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { readUser } from "#lib/crm/users/users.ts";
import { crmApi, OrNull, Time } from "../_api.ts";
import { userParts } from "./_signed-in.ts";

export default crmApi
  .get("/api/v1/auth/me", {
    summary: "Who is signed in",
    access: anyUser(),
    returns: Type.Object({ ...userParts, email: Type.String(), last_login_at: OrNull(Time) }),
    problems: [problems.unavailable],
  })
  .handle(async ({ caller }, ctx) => {
    const { id, username, email, fullName, role, lastLoginAt } = await readUser(ctx, caller.userId);
    const last_login_at = lastLoginAt?.toISOString() ?? null;
    return { id, username, email, full_name: fullName ?? null, role, last_login_at };
  });
