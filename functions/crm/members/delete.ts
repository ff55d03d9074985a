import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { deleteMember } from "#lib/crm/members/members.ts";
import { memberNotFound } from "#lib/crm/problems.ts";
import { IdOf, Nothing, saying } from "../_api.ts";

export default saying("Member deleted successfully")
  .delete("/api/v1/members/:id", {
    summary: "Delete a member",
    description: "His messages, tags and consumption records go with him.",
    access: user(["marketing"]),
    params: IdOf("member"),
    returns: Nothing,
    problems: [memberNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await deleteMember(ctx, params.id);
    return null;
  });
