/** Cancelling a mail. */
import type { Context } from "../../runtime/context.ts";
import type { Caller } from "../auth/caller.ts";
import { cancelMails } from "./cancel.sql.ts";
import { cannotCancel } from "./problems.ts";
import { cacheStatus, readStatus } from "./status.ts";

/**
 * Cancels a mail of the caller's, or of anyone's for an admin. A mail that this returns for is never sent. Throws
 * `mail_not_found`, or `cannot_cancel` for one that is not queued, or was with a provider who gave no answer.
 */
export async function cancelMail(ctx: Context, id: string, caller: Caller): Promise<void> {
  const client_id = caller.may("admin") ? null : caller.clientId;
  const [cancelled] = await ctx.db.batch(cancelMails, { id, client_id });
  if (!cancelled) {
    await readStatus(ctx, id, caller);
    throw cannotCancel();
  }
  const { attempt, retry_count: retryCount, created_at: createdAt } = cancelled;
  cacheStatus(ctx, { id, clientId: cancelled.client_id, status: "cancelled", attempt, retryCount, createdAt });
  ctx.log.info({ mail_id: id }, "Mail cancelled");
}
