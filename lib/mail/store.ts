/** From candidates to mails: files first, then the commit, then the message; and nothing left where it comes to nothing. */
import type { Context } from "../../runtime/context.ts";
import type { Caller } from "../auth/caller.ts";
import { isUnavailable } from "../resources/database.ts";
import { weightOf, type Candidate } from "./candidate.ts";
import type { Allowance } from "./limits.ts";
import { publishSoon } from "./publish.ts";
import { cacheStatus } from "./status.ts";

/** How many mails' attachments are written at once. */
const writers = 8;

/**
 * Writes the mails' attachments and runs `commit`, which says whether it stored them. When it did, they are announced:
 * to the cache and, in the background, to the broker. When it did not, or something fails, the files are taken away
 * and the allowance is given back.
 */
export async function store(
  ctx: Context,
  caller: Caller,
  mails: readonly Candidate[],
  { allowance, commit }: { allowance: Allowance; commit: () => Promise<boolean> },
): Promise<boolean> {
  const [first, ...others] = mails;
  const about = others.length > 0 ? { mails: mails.length } : { mail_id: first?.id };
  ctx.tag(about);
  let stored = false;
  let filesStay = false;
  try {
    await keepFiles(ctx, mails);
    stored = filesStay = await ctx.step("commit", { kind: "client", tags: about }, commit);
  } catch (error) {
    // With the connection lost, the commit may still happen: its files stay, and should it not, the cleaning of
    // attachments finds them.
    filesStay = isUnavailable(error);
    throw error;
  } finally {
    if (!stored) allowance.giveBack();
    if (!filesStay) ctx.defer(removeFiles(ctx, mails));
  }
  if (stored) announce(ctx, caller, mails);
  return stored;
}

/** Returns, or throws, when nothing is being written any more. */
async function keepFiles(ctx: Context, mails: readonly Candidate[]): Promise<void> {
  const withFiles = mails.filter(hasFiles);
  if (withFiles.length === 0) return;
  const waiting = withFiles.values();
  const write = async () => {
    for (const { folder, draft } of waiting) {
      const files = draft.attachments.map(({ storedAs, content }) => ({ name: storedAs, content }));
      await ctx.attachments.keep(folder, files);
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(writers, withFiles.length) }, write));
  const failed = ended.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

async function removeFiles(ctx: Context, mails: readonly Candidate[]): Promise<void> {
  for (const { folder, draft } of mails.filter(hasFiles)) await ctx.attachments.remove(folder, draft.attachments);
}

function hasFiles({ draft }: Candidate): boolean {
  return draft.attachments.length > 0;
}

function announce(ctx: Context, caller: Caller, mails: readonly Candidate[]): void {
  const { clientId } = caller;
  for (const { id, createdAt } of mails) {
    cacheStatus(ctx, { id, clientId, status: "queued", attempt: 0, retryCount: 0, createdAt });
  }
  for (const [waitMs, some] of Map.groupBy(mails, ({ publishInMs }) => publishInMs)) {
    const jobs = some.map(({ id, draft, traceparent }) => {
      return { id, attempt: 1, bytes: weightOf(draft), traceparent };
    });
    if (waitMs !== undefined) publishSoon(ctx, jobs, waitMs);
  }
}
