import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { PageOf, pageOf, Paging, shown } from "#lib/crm/paging.ts";
import { listTags } from "#lib/crm/tags/tags.ts";
import { PlainText } from "#lib/plain-text.ts";
import { crmApi } from "../_api.ts";
import { ListedTag, listedTag, TagType } from "./_tag.ts";

export default crmApi
  .get("/api/v1/tags", {
    summary: "List tags, in the order they were made",
    access: anyUser(),
    query: Type.Object({
      type: Type.Optional(TagType),
      search: Type.Optional(PlainText({ minLength: 0, maxLength: 50, description: "Part of the name" })),
      ...Paging(50),
    }),
    returns: PageOf(ListedTag),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const page = pageOf(query);
    return shown(await listTags(ctx, query, page), page, listedTag);
  });
