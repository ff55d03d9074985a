import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { inUse, tagNotFound } from "#lib/crm/problems.ts";
import { deleteTag } from "#lib/crm/tags/tags.ts";
import { IdOf, Nothing, saying } from "../_api.ts";

export default saying("Tag deleted successfully")
  .delete("/api/v1/tags/:id", {
    summary: "Delete a tag",
    description: `It is taken from all members. One that a template, an auto response's template or a campaign yet to be
sent needs stays: the reply names what needs it.`,
    access: user(["marketing"]),
    params: IdOf("tag"),
    returns: Nothing,
    problems: [tagNotFound, inUse, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await deleteTag(ctx, params.id);
    return null;
  });
