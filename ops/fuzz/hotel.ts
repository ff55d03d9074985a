/** What the routes need to find, and what chance alone seldom makes: guests who may be one of two, mail that has failed. */
import type { Client } from "pg";
import { samplePage } from "../../lib/crm/pms/sample.ts";
import type { Known } from "./known.ts";

/** So many of the guests in the PMS share their phone with two members: somebody has to say who they are. */
const unclear = 60;

export async function addTwins(db: Client): Promise<void> {
  const { items } = samplePage("members", { updatedSince: null, cursor: null, limit: unclear });
  const phones = (items as { phone: string | null }[]).flatMap(({ phone }) => phone ?? []);
  await db.query(
    `INSERT INTO members (first_name, phone, source)
     SELECT 'Twin', phone, 'crm' FROM unnest($1::text[]) AS phone, generate_series(1, 2)`,
    [phones],
  );
}

/** The sandbox takes everything: so some of what it took last has failed after all. */
export async function failSome(db: Client, known: Known): Promise<void> {
  const { rows } = await db.query<{ id: string }>(
    `UPDATE mails SET status = 'failed' WHERE id IN (
       SELECT id FROM mails WHERE status = 'sent' ORDER BY created_at DESC LIMIT 10) RETURNING id`,
  );
  for (const { id } of rows) known.add("failed", id);
}
