import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { shareOfTags } from "#lib/crm/analytics/tags.ts";
import { crmApi } from "../_api.ts";
import { Count, Rate } from "./_analytics.ts";

const Share = Type.Object({
  tag_id: Type.Integer(),
  tag_name: Type.String(),
  trigger_count: Count,
  percentage: Rate,
});

export default crmApi
  .get("/api/v1/analytics/tag-distribution", {
    summary: "Which tags members' taps trigger, the most triggered first",
    description: "`percentage` is a tag's share of the triggers of all tags. Tags that nobody triggered are left out.",
    access: user(["marketing"]),
    query: Type.Object({ limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }) }),
    returns: Type.Array(Share),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => shareOfTags(ctx, query.limit));
