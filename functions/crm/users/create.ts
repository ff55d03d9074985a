import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { alreadyThere } from "#lib/crm/problems.ts";
import { createUser, userSettings } from "#lib/crm/users/users.ts";
import { saying } from "../_api.ts";
import { UserInfo, userInfo } from "./_user.ts";

const { full_name, is_active, ...required } = userSettings;

export default saying("User created successfully")
  .post("/api/v1/users", {
    summary: "Add a user",
    access: user(),
    body: Type.Object({ ...required, full_name: Type.Optional(full_name), is_active: Type.Optional(is_active) }),
    bodyLimit: 16_384,
    returns: UserInfo,
    problems: [alreadyThere, problems.overloaded, problems.unavailable],
  })
  .handle(async ({ body }, ctx) => userInfo(await createUser(ctx, body)));
