import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { PageOf, pageOf, Paging, shown } from "#lib/crm/paging.ts";
import { listUsers } from "#lib/crm/users/users.ts";
import { crmApi } from "../_api.ts";
import { UserInfo, userInfo } from "./_user.ts";

export default crmApi
  .get("/api/v1/users", {
    summary: "List users, in the order they were made",
    access: user(),
    query: Type.Object(Paging()),
    returns: PageOf(UserInfo),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const page = pageOf(query);
    return shown(await listUsers(ctx, page), page, userInfo);
  });
