import { Type } from "typebox";
import { from, queue } from "#runtime";
import { deliverMail } from "#lib/mail/deliver.ts";
import { mailQueue } from "#lib/mail/mail.ts";

const MailJob = Type.Object({
  mail_id: Type.String({ format: "uuid" }),
  bytes: Type.Optional(Type.Integer({ minimum: 0 })),
});

export default queue(
  from((config) => mailQueue(config).name),
  {
    summary: "Deliver queued mail",
    message: MailJob,
    concurrency: from((config) => config.workers),
    // Less than the lease, so that a call is over before its mail is given to another worker.
    timeLimitMs: 45_000,
    retry: from((config) => mailQueue(config).retryDelaysMs.map((ms) => ms / 1000)),
    deadLetter: from((config) => mailQueue(config).deadLetter),
  },
).handle(async ({ message, attempt }, ctx) => deliverMail(ctx, message, attempt));
