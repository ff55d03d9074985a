import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { cannotRetry, mailNotFound } from "#lib/mail/problems.ts";
import { retryMail } from "#lib/mail/retry.ts";
import { MailId, mailApi, said } from "./_api.ts";

const Retried = Type.Object({
  success: Type.Literal(true),
  mail_id: Type.String(),
  status: Type.Literal("queued"),
  message: Type.String(),
});

export default mailApi
  .post("/api/v1/mail/retry/:id", {
    summary: "Send a failed mail again",
    access: client("mail:send"),
    params: MailId,
    returns: Retried,
    problems: [mailNotFound, cannotRetry, problems.unavailable],
  })
  .handle(async ({ params, caller }, ctx) => {
    const id = params.id.toLowerCase();
    await retryMail(ctx, id, caller);
    return { success: true, mail_id: id, status: "queued", message: said.queued };
  });
