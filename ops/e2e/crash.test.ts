/** kill -9 under load: what was acknowledged is sent, once; a second copy only where the first cannot be known of. */
import { join } from "node:path";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const crashes = suite("crashes");
crashes.after(stopAll);

const kills = 10;
const senders = 8;

crashes("ten times kill -9 under load lose nothing that was acknowledged", async () => {
  const system = await startSystem({ env: { LOG_LEVEL: "warn" } });
  const load = sendUntilStopped(system);
  for (let kill = 0; kill < kills; kill++) {
    const before = load.acknowledged.size;
    await eventually(() => load.acknowledged.size >= before + 40, { what: "mails are accepted again", within: 20_000 });
    await system.kill();
    await system.start();
  }
  await load.stop();
  assert.ok(load.acknowledged.size >= 40 * kills);
  assert.equal(load.otherAnswers, [], "a request was answered by something else than 200");

  await drained(system);
  const copies = await copiesByMail(system);
  let doubled = 0;
  for (const id of load.acknowledged) {
    const state = await system.status(id);
    assert.is(state.status, "sent", JSON.stringify(state));
    const unknown = state.events.filter(({ type }) => type === "outcome_unknown").length;
    const count = copies.get(id) ?? 0;
    assert.ok(count >= 1, `acknowledged mail ${id} is not in the inbox: ${JSON.stringify(state)}`);
    assert.ok(count <= 1 + unknown, `mail ${id} came ${count} times with ${unknown} unknown outcomes`);
    if (count > 1) doubled++;
  }
  // Also those whose 200 was on its way when the process was killed.
  for (const id of await sentMails(system)) {
    assert.ok(copies.has(id), `mail ${id} is "sent", but it is not in the inbox`);
  }
  const unknownOutcomes = await count(system, "SELECT count(*) FROM mail_events WHERE type = 'outcome_unknown'");
  assert.ok(doubled <= unknownOutcomes, `${doubled} came twice, ${unknownOutcomes} unknown outcomes are recorded`);
});

interface Load {
  /** Ids of the mails that were answered with 200. */
  acknowledged: ReadonlySet<string>;
  otherAnswers: readonly string[];
  stop(): Promise<void>;
}

/** Clients that send one mail after the other; a lost connection is what they expect, and go on. */
function sendUntilStopped(system: System): Load {
  const acknowledged = new Set<string>();
  const otherAnswers: string[] = [];
  const stopping = new AbortController();
  const { signal } = stopping;
  async function client(): Promise<void> {
    while (!signal.aborted) {
      const answer = await system.send().catch(() => undefined);
      const id = answer?.body["mail_id"];
      if (answer?.status === 200 && typeof id === "string") acknowledged.add(id);
      else if (answer) otherAnswers.push(answer.text);
      else await eventually(() => signal.aborted || isListening(system), { what: "it serves again", within: 30_000 });
    }
  }
  const clients = Promise.all(Array.from({ length: senders }, client));
  return {
    acknowledged,
    otherAnswers,
    async stop() {
      stopping.abort();
      await clients;
    },
  };
}

async function isListening(system: System): Promise<boolean> {
  return (await system.call("/health/live")).status === 200;
}

async function drained(system: System): Promise<void> {
  const open = "SELECT count(*) FROM mails WHERE status IN ('queued', 'processing')";
  await eventually(async () => (await count(system, open)) === 0, { what: "no mail is waiting", within: 60_000 });
}

async function copiesByMail(system: System): Promise<Map<string, number>> {
  const copies = new Map<string, number>();
  for (const file of await system.inbox()) {
    const [id = ""] = file.split(".");
    copies.set(id, (copies.get(id) ?? 0) + 1);
  }
  return copies;
}

async function sentMails(system: System): Promise<string[]> {
  return (await query<{ id: string }>(system, "SELECT id FROM mails WHERE status = 'sent'")).map(({ id }) => id);
}

async function count(system: System, sql: string): Promise<number> {
  const [row] = await query<{ count: string }>(system, sql);
  return Number(row?.count);
}

/** Asks the embedded database itself. */
async function query<Row extends object>(system: System, sql: string): Promise<Row[]> {
  const host = join(system.dataDir, "postgres");
  const client = new Client({ host, port: 5432, user: "postroom", database: "postroom" });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

crashes.run();
