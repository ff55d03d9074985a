import { Type } from "typebox";
import { from, problems, reply } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { acceptMail } from "#lib/mail/accept.ts";
import {
  attachmentTooLarge,
  emptyBody,
  idempotencyKeyReused,
  mailTooLarge,
  senderNotAllowed,
  senderNotConfigured,
} from "#lib/mail/problems.ts";
import { longestWait, preferredWait, waitForEnd } from "#lib/mail/wait.ts";
import { rateLimited } from "#lib/rate-limited.ts";
import { attachmentContent, idempotencyOf, Mail, mailApi, repeatable, said, Status } from "./_api.ts";

const Queued = Type.Object({
  success: Type.Literal(true),
  mail_id: Type.String(),
  status: Status,
  message: Type.String(),
  estimated_send_time: Type.String({ format: "date-time" }),
});

export default mailApi
  .post("/api/v1/mail/send", {
    summary: "Send a mail",
    description:
      "Returns once the mail is committed to the database: from then on it is not lost. " +
      "With `Prefer: wait=10` it returns once the mail is sent or has failed, or after 10 seconds with its status then.",
    access: client("mail:send"),
    body: Mail,
    bodyLimit: from((config) => config.maxRequestBytes),
    largeStrings: attachmentContent,
    // Waiting comes on top of what accepting may take.
    timeLimitMs: (30 + longestWait) * 1000,
    returns: Queued,
    headers: {
      request: {
        ...repeatable.request,
        Prefer: `wait=N: answer once the mail is sent or has failed, at the latest after N seconds (${longestWait} at most)`,
      },
      reply: { ...repeatable.reply, "Preference-Applied": "wait=N: it was waited for the mail, up to N seconds" },
    },
    problems: [
      emptyBody,
      attachmentTooLarge,
      mailTooLarge,
      senderNotConfigured,
      senderNotAllowed,
      idempotencyKeyReused,
      rateLimited,
      problems.unavailable,
    ],
  })
  .handle(async (request, ctx) => {
    const idempotency = idempotencyOf(request);
    const mail = await acceptMail(ctx, request.caller, request.body, { idempotency, large: request.large });
    const wait = preferredWait(request.header("prefer"));
    const status = wait === undefined ? "queued" : await waitForEnd(ctx, mail.id, wait);
    const body = {
      success: true as const,
      mail_id: mail.id,
      status,
      message: said[status],
      estimated_send_time: mail.expectedAt.toISOString(),
    };
    return reply(200, body, {
      ...(mail.replayed && { "idempotency-replayed": "true" }),
      ...(wait !== undefined && { "preference-applied": `wait=${wait}` }),
    });
  });
