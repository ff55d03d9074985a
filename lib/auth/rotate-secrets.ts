/** Moving stored secrets over to the first key. */
import { DatabaseError } from "pg";
import type { Context } from "../../runtime/context.ts";
import { hashIdNumber, idNumberPlace } from "../crm/members/id-number.ts";
import { recordPlace } from "../crm/pms/records.ts";
import { SecretFault } from "../resources/secrets.ts";
import { passwordPlace } from "../schedule/job-mail.ts";
import { relayPlace } from "../senders/own-relay.ts";
import { secretPlace } from "./known-senders.ts";

/** Where sealed secrets are stored. */
interface SealedColumn {
  table: string;
  /** Type of its column `id`. */
  id: "uuid" | "bigint";
  /** SQL for the sealed text of a row; null where it has none. */
  sealed: string;
  /** SQL that puts `$3` in its place. */
  assign: string;
  /** What the secret of a row is sealed for. */
  place(id: string): string;
  /** What `$4` is, where `assign` has it. */
  beside?(ctx: Rotating, plain: string): string;
}

const sealedColumns: readonly SealedColumn[] = [
  {
    table: "email_sender_configs",
    id: "uuid",
    sealed: "ms_client_secret",
    assign: "ms_client_secret = $3",
    place: secretPlace,
  },
  {
    table: "mails",
    id: "uuid",
    sealed: "relay -> 'auth' ->> 'password'",
    assign: "relay = jsonb_set(relay, '{auth,password}', to_jsonb($3::text))",
    place: relayPlace,
  },
  {
    table: "tblschedulemail",
    id: "bigint",
    // One that was written in clear waits for the schedule that seals it.
    sealed: String.raw`CASE WHEN smtppassword ~ '^v1\.[0-9a-f]{8}\.[A-Za-z0-9_-]+$' THEN smtppassword END`,
    assign: "smtppassword = $3",
    place: () => passwordPlace,
  },
  {
    table: "members",
    id: "bigint",
    sealed: "id_number",
    assign: "id_number = $3, id_number_hash = $4",
    place: () => idNumberPlace,
    beside: hashIdNumber,
  },
  {
    table: "pms_members",
    id: "bigint",
    sealed: "record",
    assign: "record = $3",
    place: () => recordPlace,
  },
];

const batchSize = 100;

export interface Rotation {
  /** How many were sealed with another key before. */
  resealed: number;
  /** Those that stay as they are, because no key here opens them. */
  failed: { table: string; id: string; reason: string }[];
}

type Rotating = Pick<Context, "db" | "secrets">;

/**
 * Seals every stored secret with the first key that is not so already. The system may run meanwhile, if the new key
 * comes first there as well: what is changed under our hands is looked at again, and never overwritten. May be run
 * again at any time.
 */
export async function rotateSecrets(ctx: Rotating): Promise<Rotation> {
  const rotation: Rotation = { resealed: 0, failed: [] };
  for (const column of sealedColumns) {
    const { table, sealed } = column;
    for (let after: string | null = null; ;) {
      const { rows }: { rows: Sealed[] } = await ctx.db.query(
        `SELECT id, ${sealed} AS sealed FROM ${table}
         WHERE (${sealed}) IS NOT NULL AND ($1::${column.id} IS NULL OR id > $1) ORDER BY id LIMIT ${batchSize}`,
        [after],
      );
      for (const row of rows) {
        try {
          if (await reseal(ctx, column, row)) rotation.resealed++;
        } catch (error) {
          rotation.failed.push({ table, id: row.id, reason: reasonOf(error) });
        }
      }
      const last = rows.at(-1);
      if (!last || rows.length < batchSize) break;
      after = last.id;
    }
  }
  return rotation;
}

interface Sealed {
  id: string;
  sealed: string;
}

/** Whether there was something to do. */
async function reseal({ db, secrets }: Rotating, column: SealedColumn, { id, sealed }: Sealed): Promise<boolean> {
  const place = column.place(id);
  const update = `UPDATE ${column.table} SET ${column.assign} WHERE id = $1 AND (${column.sealed}) = $2`;
  const look = `SELECT id, ${column.sealed} AS sealed FROM ${column.table} WHERE id = $1 AND (${column.sealed}) IS NOT NULL`;
  for (let found: string | undefined = sealed; found !== undefined && !secrets.isCurrent(found);) {
    const plain = secrets.open(found, place);
    const beside = column.beside ? [column.beside({ db, secrets }, plain)] : [];
    const { rowCount } = await db.query(update, [id, found, secrets.seal(plain, place), ...beside]);
    if (rowCount === 1) return true;
    const { rows } = await db.query<Sealed>(look, [id]);
    found = rows[0]?.sealed;
  }
  return false;
}

/** Why a secret stays as it is. Throws what is no matter of the one. */
function reasonOf(error: unknown): string {
  if (error instanceof SecretFault) return error.message;
  // Written under the new key while this row still had its hash under the old one.
  if (error instanceof DatabaseError && error.code === "23505") return "another row has the same";
  throw error;
}
