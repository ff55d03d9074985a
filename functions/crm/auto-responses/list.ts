import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { listAutoResponses } from "#lib/crm/auto-responses/store.ts";
import { crmApi } from "../_api.ts";
import { AutoResponse, shownAutoResponse, Trigger } from "./_auto-response.ts";

export default crmApi
  .get("/api/v1/auto-responses", {
    summary: "List auto responses, oldest first",
    access: user(["marketing"]),
    query: Type.Object({ trigger_type: Type.Optional(Trigger), is_active: Type.Optional(Type.Boolean()) }),
    returns: Type.Array(AutoResponse),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const found = await listAutoResponses(ctx, { trigger: query.trigger_type, isActive: query.is_active });
    return found.map(shownAutoResponse);
  });
