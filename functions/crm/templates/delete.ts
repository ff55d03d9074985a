import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { inUse, templateNotFound } from "#lib/crm/problems.ts";
import { deleteTemplate } from "#lib/crm/templates/store.ts";
import { IdOf, Nothing, saying } from "../_api.ts";

export default saying("Template deleted successfully")
  .delete("/api/v1/templates/:id", {
    summary: "Delete a message template",
    description: "One that a campaign or an auto response uses stays: 409 says which.",
    access: user(["marketing"]),
    params: IdOf("template"),
    returns: Nothing,
    problems: [templateNotFound, inUse, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await deleteTemplate(ctx, params.id);
    return null;
  });
