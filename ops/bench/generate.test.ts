import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { selectHistory, type Selection, type Start } from "../../lib/mail/history.sql.ts";
import type { MailStatus } from "../../lib/mail/mail.ts";
import { openContext } from "../harness/context.ts";
import { freshDatabase } from "../harness/test.ts";
import { clientId, clients, generate } from "./generate.ts";

const generated = suite<{ db: Client; before: object[] }>("generated mail");
const count = 100_000;

generated.before(async (state) => {
  const { url, close } = await openContext({ env: { DATABASE_URL: await freshDatabase() } });
  await close();
  state.db = new Client({ connectionString: url });
  await state.db.connect();
  state.before = await schema(state.db);
  await generate(url, count, () => undefined);
});
generated.after(({ db }) => db.end());

/** Indexes, constraints and triggers, as the migrations made them. */
async function schema(db: Client): Promise<object[]> {
  const { rows } = await db.query<object>(
    `SELECT pg_get_indexdef(indexrelid) AS definition, 'index' AS kind FROM pg_index WHERE indrelid IN ('mails'::regclass, 'attachments'::regclass)
     UNION ALL SELECT conname || pg_get_constraintdef(oid), 'constraint' FROM pg_constraint
     UNION ALL SELECT pg_get_triggerdef(oid) || tgenabled::text, 'trigger' FROM pg_trigger WHERE NOT tgisinternal
     ORDER BY 2, 1`,
  );
  return rows;
}

generated("lies in the tables that the migrations make", async ({ db, before }) => {
  assert.ok(before.length > 10);
  assert.equal(await schema(db), before);
});

generated("is as much as was asked for, and the totals know", async ({ db }) => {
  const { rows } = await db.query<{ there: number; told: number; clients: number; years: number; sent: number }>(
    `SELECT count(*)::int AS there, (SELECT sum(mails)::int FROM mail_totals) AS told,
            count(DISTINCT client_id)::int AS clients, extract(days FROM max(created_at) - min(created_at)) / 365 AS years,
            avg((status = 'sent')::int)::float8 AS sent
     FROM mails`,
  );
  const [found] = rows;
  assert.is(found?.there, count);
  assert.is(found?.told, count);
  assert.ok((found?.clients ?? 0) > clients / 2);
  assert.is(Math.round(found?.years ?? 0), 2);
  assert.is(Math.round(100 * (found?.sent ?? 0)), 97);
});

generated("is nothing that a worker would send", async ({ db }) => {
  const due = "status = 'queued' AND due_at < now() + interval '300 days'";
  const expired = "status = 'processing' AND lease_until < now() + interval '300 days'";
  const { rows } = await db.query<{ id: string }>(`SELECT id FROM mails WHERE ${due} OR ${expired}`);
  assert.equal(rows, []);
});

generated("history reads each of its pages from an index, in its order", async ({ db }) => {
  const starts: Record<string, Start> = {
    "the newest": { after: 0 },
    "a page": { after: 100 },
    "a cursor": {
      createdUs: String((Date.now() - 300 * 24 * 60 * 60 * 1000) * 1000),
      id: "ffffffff-ffff-4fff-bfff-ffffffffffff",
    },
  };
  const statuses: (MailStatus | undefined)[] = [undefined, "sent", "queued", "processing", "failed", "cancelled"];
  // Of the few that are queued here it would rather sort all.
  await db.query("SET enable_sort = off");
  for (const client of [clientId(1), undefined]) {
    for (const status of statuses) {
      for (const [from, start] of Object.entries(starts)) {
        const what = `${client ?? "everyone"}, ${status ?? "any status"}, from ${from}`;
        const selection: Selection = { clientId: client, status };
        const { text, values } = selectHistory(selection, start, 21);
        const { rows } = await db.query<{ "QUERY PLAN": string }>(`EXPLAIN ${text}`, values);
        const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
        const unsent = status !== undefined && status !== "sent";
        const index = `mails_${unsent ? "unsent_" : ""}by_${client === undefined ? "time" : "client"}`;
        const used = [...plan.matchAll(/Scan (?:(?:Backward )?using|on) (mails\w*)/g)].map(([, name]) => name);
        assert.equal(new Set(used), new Set([index]), `${what}:\n${plan}`);
        // The one at the top, of a page.
        assert.is([...plan.matchAll(/Sort {2}/g)].length, 1, `${what}:\n${plan}`);
        if (from === "the newest") continue;
        const key = [client && "client_id", client && unsent && "status", "created_at, id"].filter(Boolean).join(", ");
        const begins = plan.replaceAll(/\((\w+)\)::text/g, "$1");
        assert.match(begins, `ROW(${key}) <`, what);
        assert.not.match(begins, /Filter: .*ROW/, what);
      }
    }
  }
});

generated.run();
