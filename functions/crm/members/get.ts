import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { readMember } from "#lib/crm/members/members.ts";
import { memberNotFound } from "#lib/crm/problems.ts";
import { crmApi, IdOf } from "../_api.ts";
import { MemberInfo, memberInfo } from "./_member.ts";

export default crmApi
  .get("/api/v1/members/:id", {
    summary: "One member, with his tags and what he has spent",
    access: anyUser(),
    params: IdOf("member"),
    returns: MemberInfo,
    problems: [memberNotFound, problems.unavailable],
  })
  .handle(async ({ params, caller }, ctx) => memberInfo(ctx, await readMember(ctx, params.id), caller));
