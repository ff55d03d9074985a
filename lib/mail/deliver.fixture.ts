/** For tests of delivering mail by its statements alone. */
import type { Context } from "../../runtime/context.ts";

/** Writes a mail that is queued and nobody's to publish, and returns its id. */
export async function insertPlainMail({ db }: Pick<Context, "db">): Promise<string> {
  const { rows } = await db.query<{ id: string }>(
    `INSERT INTO mails (from_address, to_addresses, subject, client_id)
     VALUES ('sales@acme.example', '{ann@example.com}', '', 'client_sales') RETURNING id`,
  );
  return rows[0]?.id ?? "";
}
