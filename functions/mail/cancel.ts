import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { cancelMail } from "#lib/mail/cancel.ts";
import { cannotCancel, mailNotFound } from "#lib/mail/problems.ts";
import { MailId, mailApi, said } from "./_api.ts";

const Cancelled = Type.Object({
  success: Type.Literal(true),
  mail_id: Type.String(),
  status: Type.Literal("cancelled"),
  message: Type.String(),
});

export default mailApi
  .delete("/api/v1/mail/cancel/:id", {
    summary: "Cancel a mail that is still queued",
    description: "A mail that answers cancelled is never sent.",
    access: client("mail:cancel"),
    params: MailId,
    returns: Cancelled,
    problems: [mailNotFound, cannotCancel, problems.unavailable],
  })
  .handle(async ({ params, caller }, ctx) => {
    const id = params.id.toLowerCase();
    await cancelMail(ctx, id, caller);
    return { success: true, mail_id: id, status: "cancelled", message: said.cancelled };
  });
