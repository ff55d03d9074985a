import { Type } from "typebox";
import { from, problems, reply } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { acceptMail } from "#lib/mail/accept.ts";
import { attachmentTooLarge, emptyBody, idempotencyKeyReused, senderNotConfigured } from "#lib/mail/problems.ts";
import { Mail, mailApi, Status } from "./_api.ts";

const Queued = Type.Object({
  success: Type.Literal(true),
  mail_id: Type.String(),
  status: Status,
  message: Type.String(),
  estimated_send_time: Type.String({ format: "date-time" }),
});

const longestKey = 256;

export default mailApi
  .post("/api/v1/mail/send", {
    summary: "Send a mail",
    description: "Returns once the mail is committed to the database: from then on it is not lost.",
    access: client("mail:send"),
    body: Mail,
    bodyLimit: from((config) => config.maxRequestBytes),
    returns: Queued,
    headers: {
      request: { "Idempotency-Key": "Makes repeating the request safe for 24 hours; at most 256 characters" },
      reply: { "Idempotency-Replayed": "true: this is the reply of an earlier request with the same key" },
    },
    problems: [emptyBody, attachmentTooLarge, senderNotConfigured, idempotencyKeyReused, problems.unavailable],
  })
  .handle(async (request, ctx) => {
    const key = request.header("idempotency-key");
    if (key !== undefined && (key === "" || key.length > longestKey)) {
      const details = [{ field: "Idempotency-Key", message: `must have 1 to ${longestKey} characters` }];
      throw problems.invalidRequest({ details });
    }
    const idempotency = key === undefined ? undefined : { key, bodyHash: request.bodyHash() };
    const mail = await acceptMail(ctx, request.caller, request.body, idempotency);
    const queued = {
      success: true as const,
      mail_id: mail.id,
      status: "queued" as const,
      message: "郵件已加入發送隊列",
      estimated_send_time: mail.createdAt.toISOString(),
    };
    return mail.replayed ? reply(200, queued, { "idempotency-replayed": "true" }) : queued;
  });
