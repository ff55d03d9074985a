/** Many workers in two processes at the same mails, with messages twice, late and never, and leases that end under them. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { cancelMails } from "./cancel.sql.ts";
import { insertPlainMail } from "./deliver.fixture.ts";
import { claimMails, settleMails, type SettleRow } from "./deliver.sql.ts";
import { releaseLeases, takeStranded } from "./sweep.sql.ts";

const test = suite<{ processes: TestContext[] }>("the claim's fence");

test.before(async (state) => {
  const one = await openContext();
  state.processes = [one, await openContext({ env: { DATABASE_URL: one.url, DATA_DIR: one.folder } })];
});
test.after(async ({ processes }) => {
  for (const context of processes.toReversed()) await context.close();
});

const mails = 3;
const mostAttempts = 1000;

/** What one actor does, in its process, to one of the mails. */
interface Act {
  kind: "work" | "late" | "release" | "cancel" | "sweep";
  process: number;
  mail: number;
  /** Turns of the event loop that it waits for before, and in the middle. */
  waits: number;
  end: Pick<SettleRow, "status" | "event">;
}

const ends: fc.Arbitrary<Act["end"]> = fc.constantFrom(
  { status: "queued", event: "retry" },
  { status: "queued", event: "throttled" },
  { status: "sent", event: "sent" },
);
const acts: fc.Arbitrary<Act> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant("work" as const) },
    { weight: 3, arbitrary: fc.constantFrom("late" as const, "release" as const, "sweep" as const) },
    { weight: 1, arbitrary: fc.constant("cancel" as const) },
  ),
  process: fc.nat({ max: 1 }),
  mail: fc.nat({ max: mails - 1 }),
  waits: fc.nat({ max: 6 }),
  end: ends,
});

/** What the actors saw of each mail, by the attempt: each is begun once and ended once. */
interface Seen {
  claimed: number[];
  ended: number[];
  cancelled: number;
}

/** One go at the mails: every actor runs at the same time as all the others. */
async function run(processes: readonly TestContext[], ids: readonly string[], actors: readonly Act[]) {
  const seen = new Map<string, Seen>(ids.map((id) => [id, { claimed: [], ended: [], cancelled: 0 }]));
  /** The attempt whose message is the newest: the broker has all of those up to it, and brings them as it likes. */
  const newest = new Map(ids.map((id) => [id, 1]));
  const of = (id: string): Seen => seen.get(id) ?? { claimed: [], ended: [], cancelled: 0 };
  const publish = (id: string, attempt: number) => newest.set(id, Math.max(newest.get(id) ?? 1, attempt));

  async function act({ kind, process, mail, waits, end }: Act): Promise<void> {
    const id = ids[mail] ?? "";
    const db = processes[process]?.ctx.db;
    if (!db) return;
    await turns(waits);
    if (kind === "work" || kind === "late") {
      const attempt = Math.max(1, (newest.get(id) ?? 1) - (kind === "late" ? 1 : 0));
      const { length } = await db.batch(claimMails, { id, attempt });
      if (length === 0) return;
      of(id).claimed.push(attempt);
      await turns(waits);
      const rest = { retry_count: 0, error_message: null, delay_ms: 0, published: false, provider: "", duration_ms: 1 };
      const settled = await db.batch(settleMails, { id, attempt, ...end, ...rest, code: "" });
      if (settled.length === 0) return;
      of(id).ended.push(attempt);
      publish(id, attempt + 1);
    } else if (kind === "release") {
      const { rows } = await db.query<{ id: string; attempt: number }>(releaseLeases, [
        10,
        "retry",
        mostAttempts,
        true,
      ]);
      for (const row of rows) {
        of(row.id).ended.push(row.attempt);
        publish(row.id, row.attempt + 1);
      }
    } else if (kind === "sweep") {
      await db.query("UPDATE mails SET due_at = now() WHERE id = $1 AND status = 'queued'", [id]);
      const { rows } = await db.query<{ id: string; attempt: number }>(takeStranded, [10, 30, 0]);
      for (const row of rows) publish(row.id, row.attempt + 1);
    } else {
      const { length } = await db.batch(cancelMails, { id, client_id: null });
      of(id).cancelled += length;
    }
  }
  await Promise.all(actors.map(act));
  return seen;
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("no attempt is begun twice, none begins before the last has ended, and none is lost", async ({ processes }) => {
  const [one] = processes;
  assert.ok(one);
  const { db } = one.ctx;
  let begun = 0;
  const property = fc.asyncProperty(fc.array(acts, { minLength: 10, maxLength: 60, size: "max" }), async (actors) => {
    await db.query("DELETE FROM mails");
    const ids = await Promise.all(Array.from({ length: mails }, () => insertPlainMail(one.ctx)));
    const seen = await run(processes, ids, actors);
    for (const [id, { claimed, ended, cancelled }] of seen) {
      const { rows } = await db.query<{ status: string; attempt: number }>(
        "SELECT status, attempt FROM mails WHERE id = $1",
        [id],
      );
      const { status = "", attempt = 0 } = rows[0] ?? {};
      begun += attempt;
      const all = Array.from({ length: attempt }, (_, index) => index + 1);
      assert.equal(claimed.toSorted(byNumber), all, "each attempt is begun once");
      // Whoever began has come to its end, or lost its lease to a release: nothing is left half done.
      assert.equal(ended.toSorted(byNumber), all, "each attempt is ended once");
      assert.ok(["queued", "sent", "cancelled"].includes(status), status);
      assert.is(cancelled, status === "cancelled" ? 1 : 0);
      // What is not final can still be had: the next message of it is taken.
      const next = await db.batch(claimMails, { id, attempt: attempt + 1 });
      assert.is(next.length, status === "queued" ? 1 : 0);
    }
  });
  await fc.assert(property, {
    seed: 20_260_120,
    numRuns: 40,
    includeErrorInReport: true,
    interruptAfterTimeLimit: 60_000,
  });
  assert.ok(begun > 100, `${begun} attempts were begun`);
});

const byNumber = (a: number, b: number): number => a - b;

test.run();
