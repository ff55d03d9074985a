/**
 * Takes one of the safeguards out of a copy of the system, to see whether the audit finds out: a proof that cannot fail
 * proves nothing. Nothing in the system itself can be switched off.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

export const safeguards = ["sweep", "fence", "lease", "confirm", "key"] as const;
export type Safeguard = (typeof safeguards)[number];

interface Change {
  file: string;
  from: string;
  to: string;
}

const changes: Record<Safeguard, readonly Change[]> = {
  /** What did not reach the broker is published by nobody. */
  sweep: [
    {
      file: "functions/mail/publish-stranded.ts",
      from: "async (_tick, ctx) => publishStranded(ctx)",
      to: "async (_tick, ctx) => void (ctx.signal.aborted && (await publishStranded(ctx)))",
    },
  ],
  /** Every message of a mail that is not over is an attempt, however many came before it. */
  fence: [
    {
      file: "lib/mail/deliver.sql.ts",
      from: "AND mails.status = 'queued' AND mails.attempt = input.attempt - 1",
      to: "AND mails.status <> 'cancelled'",
    },
  ],
  /** What a worker held when it ended stays with it. */
  lease: [
    {
      file: "functions/mail/release-expired.ts",
      from: "async (_tick, ctx) => void (await releaseExpired(ctx))",
      to: "async (_tick, ctx) => void (ctx.signal.aborted && (await releaseExpired(ctx)))",
    },
  ],
  /** A batch of a campaign that is tried again is another request to LINE. */
  key: [
    {
      file: "lib/crm/campaigns/deliver.ts",
      from: "retryKey: claimed.retry_key,",
      to: "retryKey: crypto.randomUUID(),",
    },
  ],
  /** A message counts as published before the broker has said so. */
  confirm: [
    {
      file: "lib/resources/broker/rabbitmq/publisher.ts",
      from: "pending.set(messageId, {",
      to: "resolve();\n        pending.set(messageId, {",
    },
  ],
};

/** @throws when the code is no longer what a change was written for. */
export async function sabotage(root: string, without: readonly Safeguard[]): Promise<void> {
  for (const { file, from, to } of without.flatMap((safeguard) => changes[safeguard])) {
    const path = join(root, file);
    const text = await readFile(path, "utf8");
    if (text.split(from).length !== 2) throw new Error(`${file} has changed: it does not say once ${from}`);
    await writeFile(path, text.replace(from, to));
  }
}
