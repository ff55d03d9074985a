/**
 * The ceiling of accepting: what a program does that only inserts. 64 callers, each with one mail after the other; one
 * prepared single-row INSERT and one commit for each, on a pool of 20 connections. No HTTP, no JSON, no checks, no queue.
 */
import { randomUUID } from "node:crypto";
import { Pool } from "pg";
import { mail } from "./system.ts";

const callers = 64;
const warmUpMs = 1000;

const insert = {
  name: "insert_mail",
  text: `INSERT INTO mails (id, from_address, to_addresses, cc_addresses, bcc_addresses, names, subject, body,
                            client_id, client_name, created_at, updated_at, due_at)
         VALUES ($1, $2, $3, '{}', '{}', $4, $5, $6, $7, $8, $9, $9, $10)`,
};

const pool = new Pool({ connectionString: process.env["DATABASE_URL"], max: 20 });
const seconds = Number(process.env["SECONDS"]);
let inserted = 0;
const stop = new AbortController();

async function call(): Promise<void> {
  while (!stop.signal.aborted) {
    const now = new Date();
    const due = new Date(now.getTime() + 30_000);
    const names = { "bench@example.com": "Bench" };
    const who = ["client_00000000", "Bench"];
    const values = [randomUUID(), "bench@example.com", mail.to, names, mail.subject, mail.body, ...who, now, due];
    await pool.query({ ...insert, values });
    inserted++;
  }
}

const calls = Array.from({ length: callers }, call);
await new Promise((resolve) => setTimeout(resolve, warmUpMs));
const before = inserted;
const started = performance.now();
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const perSecond = ((inserted - before) * 1000) / (performance.now() - started);
stop.abort();
await Promise.all(calls);
await pool.end();
console.log(JSON.stringify({ perSecond }));
