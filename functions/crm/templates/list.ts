import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { pageOf, PageOf, Paging, shown } from "#lib/crm/paging.ts";
import { listTemplates } from "#lib/crm/templates/store.ts";
import { crmApi } from "../_api.ts";
import { TemplateLine, TemplateType } from "../_template.ts";

export default crmApi
  .get("/api/v1/templates", {
    summary: "List message templates, newest first",
    access: user(["marketing"]),
    query: Type.Object({ type: Type.Optional(TemplateType), ...Paging() }),
    returns: PageOf(TemplateLine),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const page = pageOf(query);
    const found = await listTemplates(ctx, query.type, page);
    return shown(found, page, (line) => ({ ...line, created_at: line.created_at.toISOString() }));
  });
