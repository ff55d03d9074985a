import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { alreadyThere, campaignNotFound } from "#lib/crm/problems.ts";
import { createTag } from "#lib/crm/tags/tags.ts";
import { saying } from "../_api.ts";
import { TagInfo, tagInfo, tagSettings } from "./_tag.ts";

export default saying("Tag created successfully")
  .post("/api/v1/tags", {
    summary: "Make a tag",
    access: user(["marketing"]),
    body: Type.Object(tagSettings),
    returns: TagInfo,
    problems: [alreadyThere, campaignNotFound, problems.unavailable],
  })
  .handle(async ({ body }, ctx) => tagInfo(await createTag(ctx, body)));
