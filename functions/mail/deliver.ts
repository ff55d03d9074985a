import { Type } from "typebox";
import { from, queue } from "#runtime";
import { attemptDelivery } from "#lib/mail/deliver.ts";
import { retryLadderMs } from "#lib/mail/mail.ts";

const MailJob = Type.Object({ mail_id: Type.String({ format: "uuid" }) });

export default queue(
  from((config) => config.queues.mail),
  {
    summary: "Deliver queued mail",
    message: MailJob,
    concurrency: from((config) => config.deliveryConcurrency),
    // Less than the lease, so that a call is over before its mail is given to another worker.
    timeLimitMs: 45_000,
    retry: from((config) => retryLadderMs(config.maxRetries).map((ms) => ms / 1000)),
    deadLetter: from((config) => config.queues.failed),
  },
).handle(async ({ message, attempt }, ctx) => attemptDelivery(ctx, message.mail_id, attempt));
