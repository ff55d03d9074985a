import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { templateNotFound } from "#lib/crm/problems.ts";
import { readTemplate } from "#lib/crm/templates/store.ts";
import { crmApi, IdOf } from "../_api.ts";
import { TemplateInfo, templateInfo } from "../_template.ts";

export default crmApi
  .get("/api/v1/templates/:id", {
    summary: "Show a message template",
    access: user(["marketing"]),
    params: IdOf("template"),
    returns: TemplateInfo,
    problems: [templateNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => templateInfo(await readTemplate(ctx.db, params.id)));
