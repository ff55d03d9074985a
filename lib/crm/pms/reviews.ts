/** Guests of the PMS who could be more than one member: shown to a person, who says who it is. */
import { DatabaseError } from "pg";
import type { Context } from "../../../runtime/context.ts";
import type { Queryable } from "../../resources/database.ts";
import type { Found, Page } from "../paging.ts";
import { memberNotFound } from "../problems.ts";
import { holdPms, insertMember, linkGuest, writeMember } from "./link.ts";
import { pmsIsBusy, reviewIsDecided, reviewNotFound } from "./problems.ts";
import { recordPlace, type MemberRecord } from "./records.ts";

export interface Candidate {
  id: number;
  line_display_name: string | null;
  first_name: string | null;
  last_name: string | null;
  email: string | null;
  phone: string | null;
}

export interface Review {
  id: number;
  reason: string;
  record: MemberRecord;
  candidates: Candidate[];
  waitingStays: number;
  createdAt: Date;
}

/** Those that nobody has decided, the oldest first. */
export async function listReviews(
  ctx: Pick<Context, "db" | "secrets">,
  { offset, pageSize }: Page,
): Promise<Found<Review>> {
  const { rows } = await ctx.db.query<Omit<Review, "record"> & { record: string }>(
    `SELECT id::float8 AS id, reason, record, created_at AS "createdAt",
       (SELECT count(*)::int FROM pms_waiting_stays WHERE pms_waiting_stays.pms_id = review.pms_id) AS "waitingStays",
       (SELECT coalesce(jsonb_agg(to_jsonb(found) ORDER BY found.id), '[]') FROM (
          SELECT id, line_display_name, first_name, last_name, email, phone FROM members
          WHERE id = ANY(review.candidates)) AS found) AS candidates
     FROM pms_members AS review WHERE member_id IS NULL ORDER BY created_at, id LIMIT $1 OFFSET $2`,
    [pageSize, offset],
  );
  const { rows: counted } = await ctx.db.query<{ total: number }>(
    "SELECT count(*)::int AS total FROM pms_members WHERE member_id IS NULL",
  );
  const items = rows.map((row) => ({ ...row, record: opened(ctx, row.record) }));
  return { items, total: counted[0]?.total ?? 0 };
}

/** How long a decision waits for the page that a synchronisation has in hand, in milliseconds. */
const mostWaitMs = 3000;

/**
 * He is the member, or a new one. Throws `review_not_found`, `review_is_decided`, `member_not_found`, or `pms_is_busy`
 * when a synchronisation does not let go in time.
 */
export async function decideReview(
  ctx: Pick<Context, "db" | "secrets">,
  id: number,
  decision: { memberId: number | undefined; userId: number },
): Promise<{ memberId: number }> {
  await undecided(ctx.db, id); // What there is not, is not waited for.
  return await ctx.db.transaction(async (tx) => {
    await tx.query(`SET LOCAL lock_timeout = ${mostWaitMs}`);
    await holdPms(tx).catch((error: unknown) => {
      throw error instanceof DatabaseError && error.code === "55P03" ? pmsIsBusy() : error;
    });
    await tx.query("SET LOCAL lock_timeout TO DEFAULT");
    const record = opened(ctx, await undecided(tx, id));
    const memberId = decision.memberId ?? (await insertMember(tx));
    const { rowCount } = await tx.query("SELECT FROM members WHERE id = $1 FOR UPDATE", [memberId]);
    if (rowCount === 0) throw memberNotFound();
    await writeMember(ctx, tx, memberId, record);
    await linkGuest(tx, record, memberId, decision.userId);
    return { memberId };
  });
}

/** The record of a guest whom nobody has decided about. */
async function undecided(db: Queryable, id: number): Promise<string> {
  const { rows } = await db.query<{ record: string | null }>("SELECT record FROM pms_members WHERE id = $1", [id]);
  const [review] = rows;
  if (!review) throw reviewNotFound();
  if (review.record === null) throw reviewIsDecided();
  return review.record;
}

/** Our own text, which nobody else can have sealed. */
function opened({ secrets }: Pick<Context, "secrets">, sealed: string): MemberRecord {
  return JSON.parse(secrets.open(sealed, recordPlace)) as MemberRecord;
}
