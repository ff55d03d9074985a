import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { createTemplate } from "#lib/crm/templates/store.ts";
import { crmApi } from "../_api.ts";
import { optionalSettings, TemplateInfo, templateInfo, TemplateType } from "../_template.ts";

export default crmApi
  .post("/api/v1/templates", {
    summary: "Add a message template",
    description: "What LINE would not take is told by field.",
    access: user(["marketing"]),
    body: Type.Object({ type: TemplateType, ...optionalSettings }),
    returns: TemplateInfo,
    problems: [problems.invalidRequest, problems.unavailable],
  })
  .handle(async ({ body }, ctx) => templateInfo(await createTemplate(ctx, body)));
