import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { refresh } from "#lib/crm/users/sign-in.ts";
import { crmApi } from "../_api.ts";
import { SignedIn, signedIn } from "./_signed-in.ts";

export default crmApi
  .post("/api/v1/auth/refresh", {
    summary: "Get a token for a fresh hour, with one that still holds",
    access: anyUser(),
    returns: SignedIn,
    problems: [problems.unavailable],
  })
  .handle(async ({ caller }, ctx) => signedIn(await refresh(ctx, caller)));
