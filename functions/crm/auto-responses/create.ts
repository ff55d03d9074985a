import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { createAutoResponse } from "#lib/crm/auto-responses/store.ts";
import { saying } from "../_api.ts";
import { AutoResponse, NewAutoResponse, shownAutoResponse } from "./_auto-response.ts";

export default saying("Auto response created successfully")
  .post("/api/v1/auto-responses", {
    summary: "Create an auto response",
    description: `A follow is answered by a welcome rule, a message by a keyword rule (the whole text first, then the longest
keyword in it, then the lowest id), and without one by a time rule whose window it falls into.`,
    access: user(["marketing"]),
    body: NewAutoResponse,
    bodyLimit: 131_072,
    returns: AutoResponse,
    problems: [problems.unavailable],
  })
  .handle(async ({ body }, ctx) => shownAutoResponse(await createAutoResponse(ctx, body)));
