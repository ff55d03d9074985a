import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { updateAutoResponse } from "#lib/crm/auto-responses/store.ts";
import { autoResponseNotFound } from "#lib/crm/problems.ts";
import { IdOf, saying } from "../_api.ts";
import { AutoResponse, AutoResponseChanges, shownAutoResponse } from "./_auto-response.ts";

export default saying("Auto response updated successfully")
  .put("/api/v1/auto-responses/:id", {
    summary: "Change an auto response",
    description: "What is left out stays as it is. Keywords are replaced as a whole; one that stays keeps its count.",
    access: user(["marketing"]),
    params: IdOf("auto response"),
    body: AutoResponseChanges,
    bodyLimit: 131_072,
    returns: AutoResponse,
    problems: [autoResponseNotFound, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => shownAutoResponse(await updateAutoResponse(ctx, params.id, body)));
