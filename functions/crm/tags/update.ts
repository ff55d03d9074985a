import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { alreadyThere, campaignNotFound, inUse, tagNotFound } from "#lib/crm/problems.ts";
import { updateTag } from "#lib/crm/tags/tags.ts";
import { IdOf, saying } from "../_api.ts";
import { TagInfo, tagInfo, tagSettings } from "./_tag.ts";

export default saying("Tag updated successfully")
  .put("/api/v1/tags/:id", {
    summary: "Change a tag",
    description: `What is left out stays as it is. While a template sets the tag, its type stays, too: the reply names what
needs it.`,
    access: user(["marketing"]),
    params: IdOf("tag"),
    body: Type.Partial(Type.Object(tagSettings)),
    returns: TagInfo,
    problems: [tagNotFound, alreadyThere, campaignNotFound, inUse, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => tagInfo(await updateTag(ctx, params.id, body)));
