import { Type } from "typebox";
import { anyone, problems } from "#runtime";
import { wrongCredentials } from "#lib/crm/problems.ts";
import { GivenPassword } from "#lib/crm/users/passwords.ts";
import { signIn } from "#lib/crm/users/sign-in.ts";
import { PlainText } from "#lib/plain-text.ts";
import { rateLimited } from "#lib/rate-limited.ts";
import { crmApi } from "../_api.ts";
import { SignedIn, signedIn } from "./_signed-in.ts";

export default crmApi
  .post("/api/v1/auth/login", {
    summary: "Sign in",
    description: "Five tries a minute for a user name from one address, and twenty for the address.",
    access: anyone,
    body: Type.Object({
      username: PlainText({ maxLength: 100, description: "User name or e-mail, in any case" }),
      password: GivenPassword,
    }),
    bodyLimit: 16_384,
    returns: SignedIn,
    problems: [wrongCredentials, rateLimited, problems.overloaded, problems.unavailable],
  })
  .handle(async ({ body, ip }, ctx) => signedIn(await signIn(ctx, { ...body, ip })));
