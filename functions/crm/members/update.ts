import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { readMember, updateMember } from "#lib/crm/members/members.ts";
import { alreadyThere, memberNotFound } from "#lib/crm/problems.ts";
import { IdOf, saying } from "../_api.ts";
import { MemberInfo, memberInfo } from "./_member.ts";
import { MemberSettings } from "./_settings.ts";

export default saying("Member updated successfully")
  .put("/api/v1/members/:id", {
    summary: "Change a member",
    description:
      "What is left out stays as it is; null takes it away. A masked id number that comes back is left as it is.",
    access: user(["marketing"]),
    params: IdOf("member"),
    body: MemberSettings,
    returns: MemberInfo,
    problems: [memberNotFound, alreadyThere, problems.unavailable],
  })
  .handle(async ({ params, body, caller }, ctx) => {
    await updateMember(ctx, params.id, body);
    return memberInfo(ctx, await readMember(ctx, params.id), caller);
  });
