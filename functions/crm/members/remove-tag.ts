import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { memberNotFound, tagNotFound } from "#lib/crm/problems.ts";
import { removeTag } from "#lib/crm/tags/tagging.ts";
import { Id, IdOf, Nothing, saying } from "../_api.ts";

export default saying("Tag removed successfully")
  .delete("/api/v1/members/:id/tags/:tag_id", {
    summary: "Take a tag from a member",
    access: anyUser(),
    params: Type.Object({ ...IdOf("member").properties, tag_id: Id }),
    returns: Nothing,
    problems: [memberNotFound, tagNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await removeTag(ctx, params.id, params.tag_id);
    return null;
  });
