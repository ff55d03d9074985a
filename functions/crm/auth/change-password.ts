import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { GivenPassword, NewPassword } from "#lib/crm/users/passwords.ts";
import { changeOwnPassword } from "#lib/crm/users/sign-in.ts";
import { Nothing, saying } from "../_api.ts";

export default saying("Password changed: sign in again")
  .put("/api/v1/auth/password", {
    summary: "Change one's own password",
    description: "Ends all tokens of the user within a second, the one that this is asked with as well.",
    access: anyUser(),
    body: Type.Object({ current_password: GivenPassword, new_password: NewPassword }),
    bodyLimit: 16_384,
    returns: Nothing,
    problems: [problems.overloaded, problems.unavailable],
  })
  .handle(async ({ body, caller }, ctx) => {
    await changeOwnPassword(ctx, caller, { current: body.current_password, wanted: body.new_password });
    return null;
  });
