/** Guests of the PMS as members: who is who, and what the PMS says of him. */
import type { Context } from "../../../runtime/context.ts";
import { idNumberHashes, sealIdNumber } from "../members/id-number.ts";
import type { Queryable } from "../../resources/database.ts";
import { digitsOf, e164 } from "./phone.ts";
import { recordPlace, type MemberRecord } from "./records.ts";
import { takeWaitingStays } from "./stays.ts";

export type Taken = "synced" | "waiting" | { reason: string };

type Linking = Pick<Context, "secrets">;

/** One synchronisation or decision at a time: a stay must not pass by the decision whose it is. Until the end of `tx`. */
export async function holdPms(tx: Queryable): Promise<void> {
  await tx.query("SELECT pg_advisory_xact_lock(hashtext('pms'))");
}

/**
 * Takes a guest over: onto the member that he is, else as a new one, or for a person to decide. `again`: also what was
 * taken before.
 */
export async function takeGuest(ctx: Linking, tx: Queryable, record: MemberRecord, again: boolean): Promise<Taken> {
  const { rows } = await tx.query<{ member_id: number | null; changed_at: Date }>(
    `SELECT member_id::float8, changed_at FROM pms_members WHERE pms_id = $1
     UNION ALL SELECT id::float8, '-infinity' FROM members WHERE external_id = $1 LIMIT 1`,
    [record.id],
  );
  const [known] = rows;
  const isOld = known !== undefined && known.changed_at >= new Date(record.updated_at);
  if (isOld && !again) return known.member_id === null ? "waiting" : "synced";
  const found = known?.member_id == null ? await find(ctx, tx, record) : { id: known.member_id };
  if ("reason" in found) {
    await undecided(ctx, tx, record, found);
    return "waiting";
  }
  const memberId = found.id ?? (await insertMember(tx));
  const isWhole = await writeMember(ctx, tx, memberId, record);
  await linkGuest(tx, record, memberId);
  return isWhole ? "synced" : { reason: "id_number is another member's; the rest was taken" };
}

interface Undecided {
  reason: "phone_of_several" | "phone_of_another_guest";
  candidates: number[];
}

/** Who it is: by id number, then by phone. Nobody: a new one. */
async function find(
  ctx: Linking,
  tx: Queryable,
  record: MemberRecord,
): Promise<{ id: number | undefined } | Undecided> {
  const hashes = record.id_number === null ? [] : idNumberHashes(ctx, record.id_number);
  const { rows: byNumber } = await tx.query<{ id: number }>(
    "SELECT id::float8 AS id FROM members WHERE id_number_hash = ANY($1)",
    [hashes],
  );
  if (byNumber[0]) return byNumber[0];
  const phone = record.phone === null ? undefined : e164(record.phone);
  if (phone === undefined) return { id: undefined };
  const { rows } = await tx.query<{ id: number; phone: string; has_number: boolean; is_linked: boolean }>(
    `SELECT id::float8 AS id, phone, id_number_hash IS NOT NULL AS has_number,
            EXISTS (SELECT FROM pms_members WHERE member_id = members.id) OR external_id IS NOT NULL AS is_linked
     FROM members WHERE phone_digits = ANY($1) ORDER BY id LIMIT 50`,
    [digitsOf(phone)],
  );
  // Whose id number is another one is another person, who shares the phone.
  const isOther = (member: { has_number: boolean }) => member.has_number && hashes.length > 0;
  const candidates = rows.filter((member) => e164(member.phone) === phone && !isOther(member));
  const [only, ...others] = candidates;
  const ids = candidates.map(({ id }) => id);
  if (others.length > 0) return { reason: "phone_of_several", candidates: ids };
  if (only?.is_linked) return { reason: "phone_of_another_guest", candidates: ids };
  return { id: only?.id };
}

async function undecided(ctx: Linking, tx: Queryable, record: MemberRecord, { reason, candidates }: Undecided) {
  const sealed = ctx.secrets.seal(JSON.stringify(record), recordPlace);
  await tx.query(
    `INSERT INTO pms_members (pms_id, changed_at, record, candidates, reason) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (pms_id) DO UPDATE SET changed_at = excluded.changed_at, record = excluded.record,
       candidates = excluded.candidates, reason = excluded.reason`,
    [record.id, record.updated_at, sealed, candidates, reason],
  );
}

/** Says who a guest is, and gives the member the stays that have waited for that. */
export async function linkGuest(
  tx: Queryable,
  record: Pick<MemberRecord, "id" | "updated_at">,
  memberId: number,
  decidedBy: number | null = null,
): Promise<void> {
  await tx.query(
    `INSERT INTO pms_members (pms_id, member_id, changed_at) VALUES ($1, $2, $3)
     ON CONFLICT (pms_id) DO UPDATE SET member_id = excluded.member_id, changed_at = excluded.changed_at, record = NULL,
       candidates = NULL, decided_by = coalesce($4, pms_members.decided_by),
       decided_at = CASE WHEN $4::bigint IS NULL THEN pms_members.decided_at ELSE now() END`,
    [record.id, memberId, record.updated_at, decidedBy],
  );
  await takeWaitingStays(tx, record.id, memberId);
}

export async function insertMember(tx: Queryable): Promise<number> {
  const { rows } = await tx.query<{ id: number }>(
    "INSERT INTO members (source) VALUES ('system') RETURNING id::float8 AS id",
  );
  const [member] = rows;
  if (!member) throw new Error("A member was inserted without an id");
  return member.id;
}

/** What the PMS does not say stays as it is. False: the id number is another member's, and was left out. */
export async function writeMember(
  ctx: Linking,
  tx: Queryable,
  memberId: number,
  record: MemberRecord,
): Promise<boolean> {
  const { id, first_name, last_name, gender, birthday, email, phone, id_number: idNumber } = record;
  const hashes = idNumber === null ? [] : idNumberHashes(ctx, idNumber);
  const { rowCount: others } = await tx.query("SELECT FROM members WHERE id_number_hash = ANY($1) AND id <> $2", [
    hashes,
    memberId,
  ]);
  const sealed = idNumber === null || others ? null : sealIdNumber(ctx, idNumber);
  await tx.query(
    `UPDATE members SET first_name = coalesce($2, first_name), last_name = coalesce($3, last_name),
       gender = coalesce($4, gender), birthday = coalesce($5, birthday), email = coalesce($6, email),
       phone = coalesce($7, phone), external_id = coalesce(external_id, $8),
       id_number = CASE WHEN $9::text IS NULL OR id_number_hash = ANY($11) THEN id_number ELSE $9 END,
       id_number_hash = CASE WHEN $9::text IS NULL OR id_number_hash = ANY($11) THEN id_number_hash ELSE $10 END,
       updated_at = now()
     WHERE id = $1`,
    [
      memberId,
      first_name,
      last_name,
      gender,
      birthday,
      email,
      phone,
      id,
      sealed?.sealed ?? null,
      sealed?.hash ?? null,
      hashes,
    ],
  );
  return !others;
}
