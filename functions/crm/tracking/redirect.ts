import { Type } from "typebox";
import { anyone, redirect } from "#runtime";
import { followLink, notALink } from "#lib/crm/tracking/tap.ts";
import { crmApi } from "../_api.ts";

export default crmApi
  .get("/r/:signed", {
    summary: "Follow a link of a message",
    description: `Records a person's first click and the link's tags, then redirects to the address that was signed. It
leads on, too, while nothing can be recorded.`,
    access: anyone,
    params: Type.Object({ signed: Type.String({ maxLength: 1000 }) }),
    returns: Type.Undefined(),
    status: 302,
    problems: [notALink],
  })
  .handle(async (request, ctx) => redirect(await followLink(ctx, request.params.signed, request)));
