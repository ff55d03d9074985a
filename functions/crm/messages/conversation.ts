import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { readConversation } from "#lib/crm/messages/list.ts";
import { pageOf, PageOf, Paging, shown } from "#lib/crm/paging.ts";
import { memberNotFound } from "#lib/crm/problems.ts";
import { crmApi, Id } from "../_api.ts";
import { messageInfo, MessageInfo } from "./_message.ts";

export default crmApi
  .get("/api/v1/messages/conversation/:member_id", {
    summary: "Read the conversation with a member, newest first",
    description: "What the member wrote counts as read from then on.",
    access: user(["customer_service"]),
    params: Type.Object({ member_id: Id }),
    query: Type.Object(Paging(50)),
    returns: PageOf(MessageInfo),
    problems: [memberNotFound, problems.unavailable],
  })
  .handle(async ({ params, query }, ctx) => {
    const page = pageOf(query);
    return shown(await readConversation(ctx, params.member_id, page), page, messageInfo);
  });
