/** What a user writes to a member: now, or later. */
import { DatabaseError } from "pg";
import type { Context } from "../../../runtime/context.ts";
import type { Detail } from "../../../runtime/problem.ts";
import { lineNotSet, overQuota } from "../campaigns/problems.ts";
import { invalid, memberNotFound } from "../problems.ts";
import { lineLimits } from "../templates/line-limits.ts";
import { readTemplate } from "../templates/store.ts";
import { unicodeFaults } from "../unicode.ts";
import { attemptDelivery } from "./deliver.ts";
import { insertMessage, type Delivery } from "./deliver.sql.ts";
import { lineRefused } from "./problems.ts";
import { imageMessage, templateMessage, textMessage, type WrittenMessage } from "./written.ts";

export interface MessageInput {
  member_id: number;
  message_type?: WrittenMessage["type"];
  /** The text, or the address of an image. */
  content?: string;
  template_id?: number;
  /** RFC 3339. */
  scheduled_at?: string | null;
}

export interface SentMessage {
  id: number;
  created_at: Date;
  content: string;
  status: "sent" | "pending" | "scheduled";
  scheduled_at: Date | null;
}

/** Most time that a user waits for LINE's answer; then the message is pending. */
const patienceMs = 10_000;

/**
 * Sends a message, or keeps it until it is due. The message is committed, with the key that LINE takes once, before LINE
 * is called: it arrives once, whatever happens. Returns with `pending` where LINE is away: it is then tried again. Throws
 * `member_not_found`, `invalid_request`, `line_not_set`, `over_quota`, `line_refused`.
 */
export async function sendMessage(ctx: Context, userId: number, input: MessageInput): Promise<SentMessage> {
  if (!ctx.line) throw lineNotSet();
  await assertReachable(ctx, input.member_id);
  const written = await writtenFor(ctx, input);
  const scheduledAt = laterThan(ctx.clock.now(), input.scheduled_at);
  const delivery = await store(ctx, [
    input.member_id,
    written.content,
    written.type,
    userId,
    scheduledAt,
    JSON.stringify(written.line),
  ]);
  const { id, created_at } = delivery;
  const sent = { id, created_at, content: written.content, scheduled_at: scheduledAt };
  ctx.tag({ member_id: input.member_id, message_id: id });
  if (scheduledAt) return { ...sent, status: "scheduled" };

  const outcome = await attemptDelivery(ctx, delivery, AbortSignal.any([ctx.signal, AbortSignal.timeout(patienceMs)]));
  if (outcome.status === "failed") throw outcome.isQuota ? overQuota() : lineRefused({ message: outcome.reason });
  return { ...sent, status: outcome.status };
}

type Stored = Delivery & { created_at: Date };

async function store({ db }: Context, values: readonly unknown[]): Promise<Stored> {
  try {
    const { rows } = await db.query<Stored & Record<string, unknown>>(insertMessage, values);
    if (rows[0]) return rows[0];
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== foreignKeyViolation) throw error;
    throw memberNotFound({ cause: error }); // He was deleted a moment ago.
  }
  throw new Error("a message was not stored");
}
const foreignKeyViolation = "23503";

async function assertReachable({ db }: Context, memberId: number): Promise<void> {
  const { rows } = await db.query<{ line_uid: string | null; is_blocked: boolean }>(
    "SELECT line_uid, blocked_at IS NOT NULL AS is_blocked FROM members WHERE id = $1",
    [memberId],
  );
  const [member] = rows;
  if (!member) throw memberNotFound();
  if (member.line_uid === null) throw invalid({ field: "member_id", message: "has no LINE account" });
  if (member.is_blocked) throw invalid({ field: "member_id", message: "has blocked the account" });
}

async function writtenFor(ctx: Context, input: MessageInput): Promise<WrittenMessage> {
  const { message_type: type = "text", content = "", template_id: templateId } = input;
  if (type === "template") {
    if (templateId === undefined) throw invalid({ field: "template_id", message: "is needed for a template" });
    return templateMessage(ctx, await readTemplate(ctx.db, templateId), input.member_id);
  }
  const faults: Detail[] = unicodeFaults({ content });
  if (content.trim() === "") faults.push({ field: "content", message: "must not be blank" });
  else if (type === "image" && (!/^https:\/\/[\u0021-\u007e]+$/.test(content) || content.length > lineLimits.imageUrl))
    faults.push({ field: "content", message: "must be the https address of an image" });
  if (faults.length > 0) throw invalid(...faults);
  return type === "image" ? imageMessage(content) : textMessage(content);
}

const yearMs = 366 * 24 * 60 * 60 * 1000;

/** Null for what is to be sent now, which is what a time in the past says. */
function laterThan(now: Date, text: string | null | undefined): Date | null {
  if (text === null || text === undefined) return null;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw invalid({ field: "scheduled_at", message: "is no time" });
  if (time.getTime() > now.getTime() + yearMs)
    throw invalid({ field: "scheduled_at", message: "is over a year ahead" });
  return time > now ? time : null;
}
