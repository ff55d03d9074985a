import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { listMembers, sortings } from "#lib/crm/members/list.ts";
import { PageOf, pageOf, Paging, shown } from "#lib/crm/paging.ts";
import { PlainText } from "#lib/plain-text.ts";
import { memberSources } from "#lib/crm/values.ts";
import { crmApi, idsOf, IdList } from "../_api.ts";
import { ListedMember, listedMember } from "./_member.ts";

export default crmApi
  .get("/api/v1/members", {
    summary: "List members",
    description: `\`search\` looks for names in either order, e-mail addresses and phones; each of its words must be found.
One or two ASCII characters are looked for at the beginning. \`desc\` is exactly \`asc\` turned round: those without a
name or an address come last in \`asc\`, those who never interacted last in \`desc\`.`,
    access: anyUser(),
    query: Type.Object({
      search: Type.Optional(
        PlainText({ minLength: 0, maxLength: 100, description: "王小明, or user@example.com, or 0912-345" }),
      ),
      tags: Type.Optional(IdList("Ids of tags, with commas between them: members with any of them")),
      tags_mode: Type.Optional(Type.Enum(["any", "all"], { description: "all: only members with all of the tags" })),
      source: Type.Optional(Type.Enum([...memberSources])),
      sort_by: Type.Enum([...sortings], { default: "created_at" }),
      order: Type.Enum(["asc", "desc"], { default: "desc" }),
      ...Paging(),
    }),
    returns: PageOf(ListedMember),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const { search, tags, tags_mode: tagsMode, source, sort_by: sortBy, order } = query;
    const page = { ...pageOf(query), sortBy, order };
    return shown(await listMembers(ctx, { search, tags: idsOf(tags), tagsMode, source }, page), page, listedMember);
  });
