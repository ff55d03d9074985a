/** One member: his data, and what is done with them. */
import { UniqueConstraintViolationException, type InferEntity } from "@mikro-orm/core";
import type { Context } from "../../../runtime/context.ts";
import { Member } from "../../resources/crm-entities.ts";
import { SecretFault } from "../../resources/secrets.ts";
import { invalid, memberNotFound, taken } from "../problems.ts";
import { idNumberHashes, maskIdNumber, openIdNumber, sealIdNumber } from "./id-number.ts";
import { tagsOfMember, type ListedRow } from "./list.sql.ts";
import { isKnown, settingsFaults, type Gender, type MemberSettings } from "./member.ts";

type Administration = Pick<Context, "entities" | "db" | "secrets" | "clock" | "config">;
type Row = InferEntity<typeof Member>;

/** A member as he is read; the id number sealed. */
export interface MemberRow extends ListedRow {
  line_picture_url: string | null;
  gender: Gender | null;
  birthday: string | null;
  id_number: string | null;
  source: Row["source"];
  accept_marketing: boolean;
  notes: string | null;
  total_amount: number;
  total_orders: number;
}

/** What an order of his came to, rounded to cents; 0 without any. */
export function averageSpent({ total_amount, total_orders }: Pick<MemberRow, "total_amount" | "total_orders">): number {
  return total_orders === 0 ? 0 : Math.round((total_amount / total_orders) * 100) / 100;
}

/** Throws `member_not_found`. */
export async function readMember({ db }: Pick<Context, "db">, id: number): Promise<MemberRow> {
  const { rows } = await db.query<MemberRow>(
    `SELECT id::float8 AS id, line_uid, line_display_name, line_picture_url, first_name, last_name, gender,
            birthday::text AS birthday, email, phone, id_number, source, accept_marketing, notes, ${tagsOfMember} AS tags,
            spent.amount AS total_amount, spent.orders AS total_orders, created_at, last_interaction_at
     FROM members CROSS JOIN LATERAL (
       SELECT coalesce(sum(amount), 0)::float8 AS amount, count(*)::int AS orders
       FROM consumption_records WHERE member_id = members.id) AS spent
     WHERE id = $1`,
    [id],
  );
  const [row] = rows;
  if (!row) throw memberNotFound();
  return row;
}

/** Whole for whom it is meant, else masked; `****` where no key opens it, as the member can be read all the same. */
export function shownIdNumber(ctx: Pick<Context, "secrets">, sealed: string | null, whole: boolean): string | null {
  if (sealed === null) return null;
  try {
    const plain = openIdNumber(ctx, sealed);
    return whole ? plain : maskIdNumber(plain);
  } catch (error) {
    if (!(error instanceof SecretFault)) throw error;
    return "****";
  }
}

/** Returns his id once he is committed. Throws `invalid_request`, or `already_there` for what another member has. */
export async function createMember(ctx: Administration, settings: Partial<MemberSettings>): Promise<number> {
  const faults = settingsFaults(ctx, settings);
  if (faults.length > 0) throw invalid(...faults);
  if (!isKnown(settings))
    throw invalid({ field: "", message: "Give a name, an email, a phone, an id number or a LINE user id" });
  await refuseIdNumber(ctx, settings.id_number, undefined);
  const em = await ctx.entities.fork();
  return await unique(async () => {
    const accept = settings.accept_marketing ?? true;
    const columns = { ...columnsOf(ctx, settings), acceptMarketing: accept };
    const member = em.create(Member, { ...columns, source: "crm", createdAt: ctx.clock.now() });
    await em.flush();
    return member.id;
  });
}

/**
 * Changes what is given, and nothing else. An id number that comes back masked, as it was shown, is none that was given.
 * Throws `member_not_found`, `invalid_request`, or `already_there` for what another member has.
 */
export async function updateMember(ctx: Administration, id: number, sent: Partial<MemberSettings>): Promise<void> {
  const em = await ctx.entities.fork();
  const member = await em.findOne(Member, { id });
  if (!member) throw memberNotFound();
  const shown = shownIdNumber(ctx, member.idNumber ?? null, false);
  const { id_number: idNumber, ...rest } = sent;
  const given: Partial<MemberSettings> = idNumber === undefined || idNumber === shown ? rest : sent;
  const faults = settingsFaults(ctx, given);
  if (faults.length > 0) throw invalid(...faults);
  await refuseIdNumber(ctx, given.id_number, id);
  await unique(async () => {
    em.assign(member, { ...columnsOf(ctx, given), updatedAt: ctx.clock.now() });
    if (!isKnown({ ...asSettings(member) }))
      throw invalid({ field: "", message: "Nothing would be left to know the member by" });
    await em.flush();
  });
}

/** With all that is kept of him. Throws `member_not_found`. */
export async function deleteMember({ db }: Pick<Context, "db">, id: number): Promise<void> {
  await db.transaction(async (tx) => {
    // He first, as whoever tags does: nothing more is added to him then. Then all tags whose counts will change, in one
    // order: two that delete at once do not hold each other up.
    const { rowCount } = await tx.query("SELECT FROM members WHERE id = $1 FOR UPDATE", [id]);
    if (rowCount === 0) throw memberNotFound();
    await tx.query(
      `SELECT FROM tags WHERE id IN (SELECT tag_id FROM member_tag_relations WHERE member_id = $1
                                     UNION SELECT tag_id FROM tag_trigger_logs WHERE member_id = $1)
       ORDER BY id FOR NO KEY UPDATE`,
      [id],
    );
    await tx.query("DELETE FROM members WHERE id = $1", [id]);
  });
}

/** Throws `member_not_found`. */
export async function setNotes({ db }: Pick<Context, "db">, id: number, notes: string | null): Promise<void> {
  const { rowCount } = await db.query("UPDATE members SET notes = $2, updated_at = now() WHERE id = $1", [id, notes]);
  if (rowCount === 0) throw memberNotFound();
}

/** Also those under an older key, which the column's own constraint does not see. */
async function refuseIdNumber(
  ctx: Administration,
  idNumber: string | null | undefined,
  except: number | undefined,
): Promise<void> {
  if (typeof idNumber !== "string") return;
  const { rowCount } = await ctx.db.query(
    "SELECT FROM members WHERE id_number_hash = ANY($1) AND id IS DISTINCT FROM $2",
    [idNumberHashes(ctx, idNumber), except ?? null],
  );
  if (rowCount !== 0) throw taken("id_number", "is another member's");
}

async function unique<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw taken(error.message.includes("line_uid") ? "line_uid" : "id_number", "is another member's");
  }
}

function columnsOf(ctx: Pick<Context, "secrets">, given: Partial<MemberSettings>) {
  const names = {
    line_uid: "lineUid",
    line_display_name: "lineDisplayName",
    line_picture_url: "linePictureUrl",
    first_name: "firstName",
    last_name: "lastName",
    gender: "gender",
    birthday: "birthday",
    email: "email",
    phone: "phone",
    accept_marketing: "acceptMarketing",
    notes: "notes",
  } as const;
  const columns = Object.entries(names).flatMap(([name, column]) => {
    const value = given[name as keyof typeof names];
    return value === undefined ? [] : [[column, value]];
  });
  const { id_number: idNumber } = given;
  if (idNumber === undefined) return Object.fromEntries(columns) as Partial<Row>;
  const { sealed, hash } = idNumber === null ? { sealed: null, hash: null } : sealIdNumber(ctx, idNumber);
  return { ...Object.fromEntries(columns), idNumber: sealed, idNumberHash: hash } as Partial<Row>;
}

function asSettings({ lineUid, lineDisplayName, firstName, lastName, email, phone, idNumber }: Row) {
  return {
    line_uid: lineUid ?? null,
    line_display_name: lineDisplayName ?? null,
    first_name: firstName ?? null,
    last_name: lastName ?? null,
    email: email ?? null,
    phone: phone ?? null,
    id_number: idNumber ?? null,
  };
}
