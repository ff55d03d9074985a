import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { tagStatistics } from "#lib/crm/tags/tags.ts";
import { crmApi, OrNull } from "../_api.ts";

export default crmApi
  .get("/api/v1/tags/statistics", {
    summary: "How many tags there are, and which most members have",
    access: anyUser(),
    returns: Type.Object({
      total_tags: Type.Integer(),
      member_tags: Type.Integer(),
      interaction_tags: Type.Integer(),
      most_used_tag: OrNull(Type.Object({ id: Type.Integer(), name: Type.String(), member_count: Type.Integer() })),
    }),
    problems: [problems.unavailable],
  })
  .handle(async (_request, ctx) => tagStatistics(ctx));
