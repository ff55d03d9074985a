import { Type } from "typebox";
import { from, queue } from "#runtime";
import { attemptDelivery } from "#lib/mail/deliver.ts";
import { mailQueue } from "#lib/mail/mail.ts";

const MailJob = Type.Object({ mail_id: Type.String({ format: "uuid" }) });

export default queue(
  from((config) => mailQueue(config).name),
  {
    summary: "Deliver queued mail",
    message: MailJob,
    concurrency: from((config) => Math.min(config.workers.max, config.workers.prefetch)),
    // Less than the lease, so that a call is over before its mail is given to another worker.
    timeLimitMs: 45_000,
    retry: from((config) => mailQueue(config).retryDelaysMs.map((ms) => ms / 1000)),
    deadLetter: from((config) => mailQueue(config).deadLetter),
  },
).handle(async ({ message, attempt }, ctx) => attemptDelivery(ctx, message.mail_id, attempt));
