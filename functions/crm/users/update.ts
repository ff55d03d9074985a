import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { alreadyThere, lastAdmin, userNotFound } from "#lib/crm/problems.ts";
import { updateUser, userSettings } from "#lib/crm/users/users.ts";
import { IdOf, saying } from "../_api.ts";
import { UserInfo, userInfo } from "./_user.ts";

export default saying("User updated successfully")
  .put("/api/v1/users/:id", {
    summary: "Change a user",
    description: `What is left out stays as it is. A new password, and deactivating, end all of the user's tokens within a
second. The last active admin stays one.`,
    access: user(),
    params: IdOf("user"),
    body: Type.Partial(Type.Object(userSettings)),
    bodyLimit: 16_384,
    returns: UserInfo,
    problems: [userNotFound, alreadyThere, lastAdmin, problems.overloaded, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => userInfo(await updateUser(ctx, params.id, body)));
