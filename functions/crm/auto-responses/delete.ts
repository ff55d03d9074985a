import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { deleteAutoResponse } from "#lib/crm/auto-responses/store.ts";
import { autoResponseNotFound } from "#lib/crm/problems.ts";
import { IdOf, Nothing, saying } from "../_api.ts";

export default saying("Auto response deleted successfully")
  .delete("/api/v1/auto-responses/:id", {
    summary: "Delete an auto response",
    access: user(["marketing"]),
    params: IdOf("auto response"),
    returns: Nothing,
    problems: [autoResponseNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await deleteAutoResponse(ctx, params.id);
    return null;
  });
