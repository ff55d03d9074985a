import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { tagNotFound } from "#lib/crm/problems.ts";
import { readTag } from "#lib/crm/tags/tags.ts";
import { crmApi, IdOf } from "../_api.ts";
import { TagInfo, tagInfo } from "./_tag.ts";

export default crmApi
  .get("/api/v1/tags/:id", {
    summary: "One tag",
    access: anyUser(),
    params: IdOf("tag"),
    returns: TagInfo,
    problems: [tagNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => tagInfo(await readTag(ctx, params.id)));
