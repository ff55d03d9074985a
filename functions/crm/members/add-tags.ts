import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { memberNotFound, tagNotFound } from "#lib/crm/problems.ts";
import { addTags } from "#lib/crm/tags/tagging.ts";
import { Id, IdOf, saying } from "../_api.ts";
import { TagOfMember } from "./_member.ts";

export default saying("Tags added successfully")
  .post("/api/v1/members/:id/tags", {
    summary: "Add tags to a member",
    description: "Those that he has already stay as they are. The reply has all of his tags.",
    access: anyUser(),
    params: IdOf("member"),
    body: Type.Object({ tag_ids: Type.Array(Id, { minItems: 1, maxItems: 100 }) }),
    returns: Type.Object({ member_id: Type.Integer(), tags: Type.Array(TagOfMember) }),
    problems: [memberNotFound, tagNotFound, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => {
    return { member_id: params.id, tags: await addTags(ctx, params.id, body.tag_ids) };
  });
