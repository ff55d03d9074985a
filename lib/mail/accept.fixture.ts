/** For tests of accepting mail: what a client gives, and what is found afterwards in the database and on disk. */
import { readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { Client } from "pg";
import type { TestContext } from "../../ops/harness/context.ts";
import { Problem } from "../../runtime/problem.ts";
import type { Idempotency } from "./idempotency.ts";

/** What the database has, as somebody else sees it: committed. */
export async function ask<Row extends object>(
  { url }: TestContext,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

export async function count(
  context: TestContext,
  table: "mails" | "attachments" | "idempotency_keys",
): Promise<number | undefined> {
  return (await ask<{ count: number }>(context, `SELECT count(*)::int AS count FROM ${table}`))[0]?.count;
}

/** Every file in the attachment folder, by its path there: those of mails, and what the store keeps beside them. */
export async function files({ ctx }: TestContext): Promise<{ ofMails: string[]; beside: string[] }> {
  const { folder } = ctx.config.attachments;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const { ofMails = [], beside = [] } = Object.groupBy(paths, (path) =>
    relative(folder, path).startsWith(".") ? "beside" : "ofMails",
  );
  return { ofMails, beside };
}

/** Forgets all mail. */
export async function empty({ ctx }: TestContext): Promise<void> {
  await ctx.db.query("TRUNCATE mails, attachments, idempotency_keys, mail_events");
  await rm(ctx.config.attachments.folder, { recursive: true, force: true });
}

/** The problem that the work ends with. */
export async function refusal(work: Promise<unknown>): Promise<Problem> {
  const error = await work.catch((failure: unknown) => failure);
  if (error instanceof Problem) return error;
  throw new Error(`No problem: ${String(error)}`);
}

/** A key, and the hash of a body that is named by one letter. */
export const keyed = (key: string, body = "a"): Idempotency => ({ key, bodyHash: body.repeat(64) });

export const attached = (filename: string, content: string | Buffer) => ({
  filename,
  content: Buffer.from(content).toString("base64"),
});
