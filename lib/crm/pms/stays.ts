/** Stays of the PMS as consumption records. */
import type { Queryable } from "../../resources/database.ts";
import type { Taken } from "./link.ts";
import type { StayRecord } from "./records.ts";

/** Takes a stay over, or lets it wait until it is known whose it is. Campaigns' conversions follow from what is inserted. */
export async function takeStay(tx: Queryable, stay: StayRecord): Promise<Taken> {
  const { rows } = await tx.query<{ member_id: number }>(
    `SELECT member_id::float8 FROM pms_members WHERE pms_id = $1 AND member_id IS NOT NULL
     UNION ALL SELECT id::float8 FROM members WHERE external_id = $1 LIMIT 1`,
    [stay.member_id],
  );
  const [guest] = rows;
  if (guest) return await writeStay(tx, stay, guest.member_id);
  await tx.query(
    `INSERT INTO pms_waiting_stays (stay_id, pms_id, record) VALUES ($1, $2, $3)
     ON CONFLICT (stay_id) DO UPDATE SET pms_id = excluded.pms_id, record = excluded.record`,
    [stay.id, stay.member_id, JSON.stringify(stay)],
  );
  return "waiting";
}

/** Now that it is known whose they are. One that cannot be taken waits on: it would be another one's order. */
export async function takeWaitingStays(tx: Queryable, pmsId: string, memberId: number): Promise<void> {
  const { rows } = await tx.query<{ stay_id: string; record: StayRecord }>(
    "SELECT stay_id, record FROM pms_waiting_stays WHERE pms_id = $1 ORDER BY stay_id",
    [pmsId],
  );
  for (const { stay_id, record } of rows) {
    if ((await writeStay(tx, record, memberId)) !== "synced") continue;
    await tx.query("DELETE FROM pms_waiting_stays WHERE stay_id = $1", [stay_id]);
  }
}

/** One that was entered by hand under the order's number becomes the PMS's. */
async function writeStay(tx: Queryable, stay: StayRecord, memberId: number): Promise<Taken> {
  const { id, order_number, room_type, amount, check_in_date, check_out_date, nights } = stay;
  const values = [id, memberId, order_number, room_type, amount, check_in_date, check_out_date, nights];
  const { rows: taken } = await tx.query<{ external_id: string | null }>(
    "SELECT external_id FROM consumption_records WHERE order_number = $1 AND external_id IS DISTINCT FROM $2",
    [order_number, id],
  );
  if (taken[0] && taken[0].external_id !== null) return { reason: "order_number is another stay's" };
  const { rowCount: updated } = await tx.query(
    `UPDATE consumption_records SET external_id = $1, member_id = $2, order_number = $3, room_type = $4, amount = $5,
       check_in_date = $6, check_out_date = $7, nights = $8, source = 'pms', synced_at = now()
     WHERE external_id = $1 OR (order_number = $3 AND external_id IS NULL)`,
    values,
  );
  if (updated) return "synced";
  await tx.query(
    `INSERT INTO consumption_records
       (external_id, member_id, order_number, room_type, amount, check_in_date, check_out_date, nights, source, synced_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pms', now())`,
    values,
  );
  return "synced";
}
