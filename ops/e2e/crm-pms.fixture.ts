/** What the stories of the PMS share: a system beside a stand-in, guests and stays, and how a synchronisation goes. */
import { Type, type Static } from "typebox";
import { eventually } from "../harness/test.ts";
import { dataOf, Exactly, startCrm } from "./crm.ts";
import type { Variables } from "./fn.ts";
import { startPms, type PmsPath } from "./stand-ins/pms.ts";
import { stopAll } from "./system.ts";

export const text = Type.Union([Type.String(), Type.Null()]);
const Created = Exactly({ task_id: Type.String(), status: Type.Literal("pending") });
const Status = Exactly({
  task_id: Type.String(),
  sync_type: Type.String(),
  status: Type.String(),
  synced_count: Type.Integer(),
  failed_count: Type.Integer(),
  waiting_count: Type.Integer(),
  failures: Type.Array(Exactly({ record: text, reason: Type.String() })),
  error_message: text,
  started_at: text,
  completed_at: text,
});
export type Status = Static<typeof Status>;
type SyncType = "members" | "consumption_records";
type Row = Record<string, unknown>;
export const long = { within: 30_000 };

export const isOver = ({ status }: Status) => status === "completed" || status === "failed";
export const counts = ({ status, synced_count, failed_count, waiting_count }: Status) => [
  status,
  synced_count,
  failed_count,
  waiting_count,
];

export const at = (minutes: number) => new Date(Date.UTC(2025, 9, 8, 10, minutes)).toISOString();
export const guest = (id: string, more: object = {}) => ({
  id,
  id_number: null,
  first_name: "小明",
  last_name: "王",
  gender: "male",
  birthday: "1988-05-20",
  email: `${id.toLowerCase()}@example.com`,
  phone: null,
  updated_at: at(0),
  ...more,
});
export const stay = (id: string, memberId: string, more: object = {}) => ({
  id,
  member_id: memberId,
  order_number: `ORD-${id}`,
  room_type: "海景套房",
  amount: 15_600,
  check_in_date: "2025-10-01",
  check_out_date: "2025-10-03",
  nights: 2,
  updated_at: at(0),
  ...more,
});

/** Synchronisations begin when a story says so, and not by the clock. */
export async function startHotel(env: Variables = {}) {
  const pms = await startPms();
  const crm = await startCrm({
    env: { PMS_API_URL: pms.url, PMS_API_KEY: pms.key, FUNCTIONS: "health,crm/pms/!(start-due)", ...env },
  });
  const rowsOf = async (sql: string, values: unknown[] = []) => (await crm.database.query<Row>(sql, values)).rows;
  const statusOf = async (id: string) => dataOf(await crm.get(`/pms/sync-status/${id}`), Status);

  async function begin(type: SyncType, force = false): Promise<string> {
    return dataOf(await crm.post("/pms/sync", { sync_type: type, force }), Created).task_id;
  }
  async function until(id: string, isSo: (status: Status) => boolean): Promise<Status> {
    const found = await eventually(
      async () => {
        const status = await statusOf(id);
        return isSo(status) && status;
      },
      { what: "the synchronisation gets there", ...long },
    );
    return found || statusOf(id);
  }

  return {
    pms,
    crm,
    rowsOf,
    statusOf,
    begin,
    until,
    sync: async (type: SyncType, force = false) => until(await begin(type, force), isOver),
    /** Writes a member, and returns his id. */
    async member(more: Row = {}): Promise<number> {
      const row: Row = { source: "line", ...more };
      const places = Object.keys(row).map((_name, n) => `$${n + 1}`);
      const sql = `INSERT INTO members (${Object.keys(row).join()}) VALUES (${places.join()}) RETURNING id::float8 AS id`;
      return Number((await rowsOf(sql, Object.values(row)))[0]?.["id"]);
    },
    guests: () => rowsOf("SELECT id::float8, external_id, first_name, email, phone, source FROM members ORDER BY id"),
    stays: () =>
      rowsOf(
        `SELECT external_id, member_id::float8, order_number, amount::float8, nights, source
         FROM consumption_records ORDER BY id`,
      ),
    /** As if the time for another turn had come. */
    again: (id: string) =>
      crm.database.query("UPDATE pms_sync_tasks SET due_at = now(), lease_until = NULL WHERE id = $1", [id]),
    /** How often the PMS was asked. */
    pages: (path: PmsPath) => pms.requests.filter((request) => request.path === path).length,
    async empty(): Promise<void> {
      pms.reset();
      await crm.database.query("TRUNCATE members, pms_sync_tasks, pms_members, pms_waiting_stays CASCADE");
    },
    async close(): Promise<void> {
      await stopAll();
      await Promise.all([crm.close(), pms.close()]);
    },
  };
}
export type Hotel = Awaited<ReturnType<typeof startHotel>>;
