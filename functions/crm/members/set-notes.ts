import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { setNotes } from "#lib/crm/members/members.ts";
import { memberNotFound } from "#lib/crm/problems.ts";
import { IdOf, Nothing, OrNull, saying } from "../_api.ts";
import { Notes } from "./_settings.ts";

export default saying("Notes updated successfully")
  .put("/api/v1/members/:id/notes", {
    summary: "Write what is to be known of a member",
    access: anyUser(),
    params: IdOf("member"),
    body: Type.Object({ notes: OrNull(Notes) }),
    returns: Nothing,
    problems: [memberNotFound, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => {
    await setNotes(ctx, params.id, body.notes);
    return null;
  });
