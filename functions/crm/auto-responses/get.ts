import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { getAutoResponse } from "#lib/crm/auto-responses/store.ts";
import { autoResponseNotFound } from "#lib/crm/problems.ts";
import { crmApi, IdOf } from "../_api.ts";
import { AutoResponse, shownAutoResponse } from "./_auto-response.ts";

export default crmApi
  .get("/api/v1/auto-responses/:id", {
    summary: "Show an auto response",
    access: user(["marketing"]),
    params: IdOf("auto response"),
    returns: AutoResponse,
    problems: [autoResponseNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => shownAutoResponse(await getAutoResponse(ctx.db, params.id)));
