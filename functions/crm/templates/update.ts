import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { templateNotFound } from "#lib/crm/problems.ts";
import { updateTemplate } from "#lib/crm/templates/store.ts";
import { crmApi, IdOf } from "../_api.ts";
import { optionalSettings, TemplateInfo, templateInfo, TemplateType } from "../_template.ts";

export default crmApi
  .put("/api/v1/templates/:id", {
    summary: "Change a message template",
    description:
      "What is left out stays as it is; cards are given all at once. What is being sent goes on as it began.",
    access: user(["marketing"]),
    params: IdOf("template"),
    body: Type.Object({ type: Type.Optional(TemplateType), ...optionalSettings }),
    returns: TemplateInfo,
    problems: [problems.invalidRequest, templateNotFound, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => templateInfo(await updateTemplate(ctx, params.id, body)));
