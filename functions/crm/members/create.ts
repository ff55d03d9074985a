import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { createMember, readMember } from "#lib/crm/members/members.ts";
import { alreadyThere } from "#lib/crm/problems.ts";
import { saying } from "../_api.ts";
import { MemberInfo, memberInfo } from "./_member.ts";
import { MemberSettings } from "./_settings.ts";

export default saying("Member created successfully")
  .post("/api/v1/members", {
    summary: "Add a member",
    access: user(["marketing"]),
    body: MemberSettings,
    returns: MemberInfo,
    problems: [alreadyThere, problems.unavailable],
  })
  .handle(async ({ body, caller }, ctx) => {
    return memberInfo(ctx, await readMember(ctx, await createMember(ctx, body)), caller);
  });
