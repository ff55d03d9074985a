/** `fn queues`: how the queues stand, and what becomes of failed mail. */
import { createInterface } from "node:readline/promises";
import { defineCommand, type CommandDef } from "citty";
import type { Context } from "../../runtime/context.ts";
import type { HouseTools } from "../../runtime/house.ts";
import { problems } from "../../runtime/problem.ts";
import { dropMails, isMailId, listFailed, tidyFailedQueue, type FailedFilter } from "./failed.ts";
import { readBacklog, readQueues } from "./queues.ts";
import { retryMails } from "./retry.ts";

const json = { type: "boolean", description: "Print JSON for scripts" } as const;
const filter = {
  client: { type: "string", description: "Only mail of this client" },
  code: { type: "string", description: "Only mail whose last attempt ended with this code, such as http_400" },
} as const;
const chosen = {
  id: { type: "positional", description: "Ids of mails, as fn queues failed shows them", required: false },
  all: { type: "boolean", description: "All failed mail, or all that --client and --code leave" },
  ...filter,
} as const;

/** How many mails are changed in one statement. */
const chunkSize = 500;

export function queueCommands(tools: HouseTools): CommandDef {
  const show = defineCommand({
    meta: { name: "show", description: "Show what waits, and for how long" },
    args: { json },
    run: ({ args }) =>
      tools.withContext(async (ctx) => {
        const mails = await readBacklog(ctx);
        const queues = await readQueues(ctx, mails).catch((error: unknown) => {
          complain(`The broker cannot tell: ${error instanceof Error ? error.message : String(error)}`);
          return undefined;
        });
        if (args.json) return print(JSON.stringify({ queues: queues ?? null, mails }));
        if (queues) process.stdout.write(`${tools.table(queues, ["queue", "ready", "delayed", "active"])}\n`);
        const rows = mails.map((row) => ({ ...row, oldest: age(row.oldest_seconds) }));
        process.stdout.write(tools.table(rows, ["mails", "count", "oldest"]));
      }),
  });

  const failed = defineCommand({
    meta: { name: "failed", description: "List failed mail, newest first" },
    args: { ...filter, limit: { type: "string", description: "Most lines", default: "50" }, json },
    run: async ({ args }) => {
      const limit = Number(/^\d{1,7}$/.test(args.limit) ? args.limit : NaN);
      if (!(limit >= 1)) throw problems.invalidRequest({ message: "--limit must be a number from 1" });
      const found = await tools.withContext((ctx) => listFailed(ctx, args, limit + 1));
      const rows = found.slice(0, limit).map((row) => ({
        id: row.id,
        client: row.client_id,
        failed_at: row.updated_at.toISOString(),
        attempts: row.attempt,
        retries: row.retry_count,
        code: row.code ?? "",
      }));
      if (args.json) return print(JSON.stringify(rows));
      process.stdout.write(tools.table(rows, ["id", "client", "failed_at", "attempts", "retries", "code"]));
      if (found.length > limit) complain("There are more: --limit shows them.", 0);
    },
  });

  const replay = defineCommand({
    meta: { name: "replay", description: "Send failed mail again: fn queues replay <id…>, or --all" },
    args: { ...chosen, json },
    run: ({ args }) =>
      tools.withContext(async (ctx) => {
        const ids = await choose(ctx, args);
        const refused: { id: string; reason: string }[] = ids.filter(not(isMailId)).map(notFailed);
        const requeued = await inChunks(ids.filter(isMailId), "sent again", async (chunk) => {
          const result = await retryMails(ctx, chunk);
          refused.push(...result.refused.map(({ id, problem }) => ({ id, reason: problem.message })));
          return result.queued.length;
        });
        await tidy(ctx);
        report({ requeued, refused }, `${mails(requeued)} will be sent again.`, args.json);
      }),
  });

  const drop = defineCommand({
    meta: { name: "drop", description: "Take failed mail off the list for good: fn queues drop <id…>, or --all" },
    args: { ...chosen, yes: { type: "boolean", description: "Do not ask" }, json },
    run: ({ args }) =>
      tools.withContext(async (ctx) => {
        const ids = await choose(ctx, args);
        const question = `Drop ${mails(ids.length)}? They stay failed, and are not shown here again.`;
        if (ids.length > 0 && !args.yes && !(await agreed(question))) return complain("Nothing was dropped.");
        const refused = ids.filter(not(isMailId)).map(notFailed);
        const dropped = await inChunks(ids.filter(isMailId), "dropped", async (chunk) => {
          const done = new Set(await dropMails(ctx, chunk));
          refused.push(...chunk.filter((id) => !done.has(id)).map(notFailed));
          return done.size;
        });
        await tidy(ctx);
        report({ dropped, refused }, `${mails(dropped)} dropped.`, args.json);
      }),
  });

  return defineCommand({
    meta: { name: "queues", description: "Show the queues; list, replay and drop failed mail" },
    default: "show",
    subCommands: { show, failed, replay, drop },
  });
}

/** The ids that were named, or those of all failed mail that the filter leaves. Throws when it is neither or both. */
async function choose(
  ctx: Context,
  args: FailedFilter & { _: string[]; all?: boolean | undefined },
): Promise<string[]> {
  const named = [...new Set(args._.map((id) => id.toLowerCase()))];
  const filtered = args.client !== undefined || args.code !== undefined;
  if (args.all ? named.length > 0 : named.length === 0 || filtered) {
    throw problems.invalidRequest({
      message: "Name mails by their ids, or give --all, with --client and --code or without",
    });
  }
  return args.all ? (await listFailed(ctx, args)).map(({ id }) => id) : named;
}

/** Works through the ids, and shows how far it is where somebody watches. Returns the sum of what `work` returned. */
async function inChunks(
  ids: readonly string[],
  done: string,
  work: (chunk: string[]) => Promise<number>,
): Promise<number> {
  const watched = process.stderr.isTTY && ids.length > chunkSize;
  let sum = 0;
  for (let from = 0; from < ids.length; from += chunkSize) {
    sum += await work(ids.slice(from, from + chunkSize));
    if (watched) process.stderr.write(`\r${sum} of ${ids.length} ${done}`);
  }
  if (watched) process.stderr.write("\n");
  return sum;
}

/** The database has it: what is left of their messages does no harm, and goes with the next command. */
async function tidy(ctx: Context): Promise<void> {
  await tidyFailedQueue(ctx).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    complain(`Their messages are still in ${ctx.config.queues.failed}, and go with the next replay or drop: ${why}`, 0);
  });
}

/** Where nobody can be asked, the command was meant. */
async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

interface Refused {
  id: string;
  reason: string;
}

function report(
  result: { refused: readonly Refused[]; requeued?: number; dropped?: number },
  summary: string,
  asJson: boolean | undefined,
): void {
  print(asJson ? JSON.stringify(result) : summary);
  for (const { id, reason } of result.refused) complain(`${id}: ${reason}`);
}

function notFailed(id: string): Refused {
  return { id, reason: "It is not on the list of failed mail" };
}

function not<T>(test: (value: T) => boolean): (value: T) => boolean {
  return (value) => !test(value);
}

function mails(count: number): string {
  return count === 1 ? "1 mail" : `${count} mails`;
}

function age(seconds: number | null): string {
  if (seconds === null) return "";
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(line: string, exitCode = 1): void {
  process.stderr.write(`${line}\n`);
  if (exitCode !== 0) process.exitCode = exitCode;
}
