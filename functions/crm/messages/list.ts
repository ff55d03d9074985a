import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { listMessages } from "#lib/crm/messages/list.ts";
import { pageOf, PageOf, Paging, shown } from "#lib/crm/paging.ts";
import { crmApi, Day, Id } from "../_api.ts";
import { Direction, messageInfo, MessageInfo } from "./_message.ts";

export default crmApi
  .get("/api/v1/messages", {
    summary: "List messages, newest first",
    description: "Messages of campaigns are among them where `member_id` is given.",
    access: user(["customer_service"]),
    query: Type.Object({
      member_id: Type.Optional(Id),
      direction: Type.Optional(Direction),
      start_date: Type.Optional(Day),
      end_date: Type.Optional(Day),
      ...Paging(50),
    }),
    returns: PageOf(MessageInfo),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const { member_id: memberId, direction, start_date: startDate, end_date: endDate } = query;
    const page = pageOf(query);
    return shown(await listMessages(ctx, { memberId, direction, startDate, endDate }, page), page, messageInfo);
  });
