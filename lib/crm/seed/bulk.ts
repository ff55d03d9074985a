/** Filling tables by the million: what slows every row down goes first, and is built again over the whole. */
import type { ClientBase } from "pg";

export interface Bulk {
  drop: string[];
  make: string[];
}

/**
 * The indexes, constraints and triggers of these tables, with all foreign keys that lead to them; of `others` only the
 * triggers.
 */
export async function bulkOf(db: ClientBase, tables: readonly string[], others: readonly string[]): Promise<Bulk> {
  const triggers = (does: string) => [...tables, ...others].map((table) => `ALTER TABLE ${table} ${does} TRIGGER USER`);
  const { rows: constraints } = await db.query<{ on: string; name: string; definition: string; type: string }>(
    `SELECT conrelid::regclass::text AS on, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition, contype AS type
     FROM pg_constraint
     WHERE conparentid = 0 AND (contype = 'f' AND (confrelid = ANY($1::regclass[]) OR conrelid = ANY($1::regclass[]))
                                OR contype IN ('p', 'u') AND conrelid = ANY($1::regclass[]))
     ORDER BY contype = 'f' DESC, conrelid, conname`,
    [tables],
  );
  const { rows: indexes } = await db.query<{ name: string; definition: string }>(
    `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
     WHERE indrelid = ANY($1::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
     ORDER BY indexrelid`,
    [tables],
  );
  return {
    drop: [
      ...constraints.map(({ on, name }) => `ALTER TABLE ${on} DROP CONSTRAINT ${name}`),
      ...indexes.map(({ name }) => `DROP INDEX ${name}`),
      ...triggers("DISABLE"),
    ],
    make: [
      // Keys before what refers to them.
      ...constraints
        .toReversed()
        .map(({ on, name, definition }) => `ALTER TABLE ${on} ADD CONSTRAINT ${name} ${definition}`),
      ...indexes.map(({ definition }) => definition),
      ...triggers("ENABLE"),
    ],
  };
}
