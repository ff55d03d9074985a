import { Type } from "typebox";
import { checked, from, problems, reply } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { acceptBatch } from "#lib/mail/accept-batch.ts";
import { idempotencyKeyReused } from "#lib/mail/problems.ts";
import { rateLimited } from "#lib/rate-limited.ts";
import { attachmentContent, idempotencyOf, Mail, mailApi, repeatable } from "./_api.ts";

const readMail = checked(Mail);

const Mails = Type.Object({
  // Any value passes here: each is checked by itself, so that one bad mail rejects none of the others.
  mails: Type.Array(Type.Union([Mail, Type.Unknown()]), { minItems: 1, maxItems: 1000 }),
});

const Detail = Type.Object({ field: Type.String(), message: Type.String() });

const Batch = Type.Object({
  success: Type.Boolean({ description: "Whether every mail was queued" }),
  batch_id: Type.Optional(Type.String()),
  results: Type.Optional(
    Type.Array(
      Type.Union([
        Type.Object({ mail_id: Type.String(), status: Type.Literal("queued") }),
        Type.Object({ error: Type.String(), message: Type.String(), details: Type.Optional(Type.Array(Detail)) }),
      ]),
      { description: "One for each mail, in order" },
    ),
  ),
  error: Type.Optional(Type.String({ description: "Where no mail was queued: the name of what went wrong" })),
  message: Type.Optional(Type.String()),
});

export default mailApi
  .post("/api/v1/mail/send/batch", {
    summary: "Send many mails",
    description:
      "Each mail is checked by itself: `results` tells what became of it. Returns once all good ones are committed to the database.",
    access: client("mail:send"),
    body: Mails,
    bodyLimit: from((config) => config.maxRequestBytes),
    largeStrings: attachmentContent,
    returns: Batch,
    status: [200, 400, 429],
    headers: repeatable,
    problems: [idempotencyKeyReused, rateLimited, problems.unavailable],
  })
  .handle(async (request, ctx) => {
    const mails = request.body.mails.map(readMail);
    const options = { idempotency: idempotencyOf(request), large: request.large };
    const batch = await acceptBatch(ctx, request.caller, mails, options);
    if (batch.kind === "accepted") {
      return reply(200, batch.reply, batch.replayed ? { "idempotency-replayed": "true" } : undefined);
    }
    const { status, code, message, headers } = batch.problem;
    const refused = { success: false, error: code, message, results: batch.results };
    return reply(status === rateLimited.status ? 429 : 400, refused, headers);
  });
