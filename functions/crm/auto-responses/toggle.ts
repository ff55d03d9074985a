import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { updateAutoResponse } from "#lib/crm/auto-responses/store.ts";
import { autoResponseNotFound } from "#lib/crm/problems.ts";
import { IdOf, saying } from "../_api.ts";
import { AutoResponse, shownAutoResponse } from "./_auto-response.ts";

export default saying("Auto response updated successfully")
  .patch("/api/v1/auto-responses/:id/toggle", {
    summary: "Switch an auto response on or off",
    access: user(["marketing"]),
    params: IdOf("auto response"),
    body: Type.Object({ is_active: Type.Boolean() }),
    returns: AutoResponse,
    problems: [autoResponseNotFound, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => {
    const { is_active } = body;
    return shownAutoResponse(await updateAutoResponse(ctx, params.id, { is_active }));
  });
