/** The states of a mail against a model of them: whatever is done, and in whichever order, the row agrees. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { cancelMails } from "./cancel.sql.ts";
import { claimMails, settleMails, type SettleRow } from "./deliver.sql.ts";
import { insertPlainMail } from "./deliver.fixture.ts";
import type { MailStatus } from "./mail.ts";
import { requeueFailed } from "./retry.sql.ts";
import { releaseLeases, takeStranded } from "./sweep.sql.ts";

const test = suite<{ context: TestContext }>("the states of a mail");

test.before(async (state) => void (state.context = await openContext()));
test.after(({ context }) => context.close());

/** What a mail is known to be. */
interface Model {
  status: MailStatus;
  attempt: number;
  maybeSent: boolean;
  /** The types of its timeline. */
  events: string[];
}

class Mail {
  readonly context: TestContext;
  readonly id: string;

  constructor(context: TestContext, id: string) {
    this.context = context;
    this.id = id;
  }

  get db() {
    return this.context.ctx.db;
  }

  /** Holds the row and its timeline against the model. */
  async agrees(model: Readonly<Model>): Promise<void> {
    const { rows } = await this.db.query<Model & { leased: boolean }>(
      `SELECT status, attempt, maybe_sent AS "maybeSent", lease_until IS NOT NULL AS leased,
              ARRAY(SELECT type::text FROM mail_events WHERE mail_id = mails.id ORDER BY id) AS events
       FROM mails WHERE id = $1`,
      [this.id],
    );
    assert.equal(rows, [{ ...model, leased: model.status === "processing" }]);
  }
}

type Step = fc.AsyncCommand<Model, Mail>;

/** A step that can always be taken; `run` changes the model first, and holds what the database says against it. */
const step = (name: string, run: (model: Model, mail: Mail) => Promise<void>): Step => ({
  check: () => true,
  async run(model, mail) {
    await run(model, mail);
    await mail.agrees(model);
  },
  toString: () => name,
});

/** A message of the attempt that is `ahead` of those begun, as often as the broker brings it. */
const claim = (ahead: number, copies: number): Step =>
  step(`claim ${ahead} ahead × ${copies}`, async (model, { db, id }) => {
    const attempt = model.attempt + ahead;
    const taken = model.status === "queued" && ahead === 1;
    const claimed = await Promise.all(Array.from({ length: copies }, () => db.batch(claimMails, { id, attempt })));
    assert.is(claimed.flat().length, taken ? 1 : 0, "one of the copies at most");
    if (taken) Object.assign(model, { status: "processing", attempt });
  });

type Outcome = Pick<SettleRow, "status" | "event">;
const outcomes: readonly Outcome[] = [
  { status: "sent", event: "sent" },
  { status: "queued", event: "retry" },
  { status: "queued", event: "throttled" },
  { status: "queued", event: "outcome_unknown" },
  { status: "failed", event: "outcome_unknown" },
  { status: "failed", event: "failed" },
];

/** The worker of an attempt, `behind` the last one begun, comes to its end. */
const settle = (behind: number, outcome: Outcome): Step =>
  step(`settle ${behind} behind: ${outcome.event}, ${outcome.status}`, async (model, { db, id }) => {
    const attempt = model.attempt - behind;
    const holds = model.status === "processing" && behind === 0;
    const rest = { retry_count: 0, error_message: null, delay_ms: 0, published: false, provider: "", duration_ms: 1 };
    const settled = await db.batch(settleMails, { id, attempt, ...outcome, ...rest, code: "" });
    assert.is(settled.length, holds ? 1 : 0);
    model.events.push(outcome.event);
    if (!holds) return;
    model.status = outcome.status;
    model.maybeSent ||= outcome.event === "outcome_unknown";
  });

const cancel: Step = step("cancel", async (model, { db, id }) => {
  const may = model.status === "queued" && !model.maybeSent;
  const cancelled = await Promise.all([1, 2].map(() => db.batch(cancelMails, { id, client_id: null })));
  assert.is(cancelled.flat().length, may ? 1 : 0);
  if (!may) return;
  model.status = "cancelled";
  model.events.push("cancelled");
});

const retry: Step = step("retry", async (model, { db, id }) => {
  const may = model.status === "failed";
  const { rowCount } = await db.query(requeueFailed, [[id], 0]);
  assert.is(rowCount, may ? 1 : 0);
  if (!may) return;
  model.status = "queued";
  model.events.push("requeued");
});

const mostAttempts = 6;

/** The lease runs out, when there is one. */
const release = (policy: "retry" | "hold"): Step =>
  step(`release, ${policy}`, async (model, { db, id }) => {
    const leased = model.status === "processing";
    await db.query("UPDATE mails SET lease_until = now() - interval '1 s' WHERE id = $1 AND status = 'processing'", [
      id,
    ]);
    const { rowCount } = await db.query(releaseLeases, [10, policy, mostAttempts, false]);
    assert.is(rowCount, leased ? 1 : 0);
    if (!leased) return;
    model.status = policy === "retry" && model.attempt < mostAttempts ? "queued" : "failed";
    model.maybeSent = true;
    model.events.push("outcome_unknown");
  });

/** A lease that still runs is nobody else's. */
const releaseTooSoon: Step = step("release too soon", async (_model, { db }) => {
  assert.is((await db.query(releaseLeases, [10, "retry", mostAttempts, false])).rowCount, 0);
});

const sweep: Step = step("sweep", async (model, { db, id }) => {
  await db.query("UPDATE mails SET due_at = now() WHERE id = $1", [id]);
  const { rows } = await db.query<{ id: string; attempt: number }>(takeStranded, [10, 30, 0]);
  assert.equal(
    rows.map((row) => [row.id, row.attempt]),
    model.status === "queued" ? [[id, model.attempt]] : [],
  );
});

test("every order of claims, ends, cancelling, retrying and lost workers leaves what the model says", async ({
  context,
}) => {
  const steps = fc.commands<Model, Mail, false>(
    [
      fc.constantFrom(1, 2, 3).map((copies) => claim(1, copies)),
      fc.constantFrom(-1, 0, 2).map((ahead) => claim(ahead, 1)),
      fc.constantFrom(...outcomes).map((outcome) => settle(0, outcome)),
      fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(...outcomes)).map((args) => settle(...args)),
      fc.constantFrom(cancel, retry, sweep, releaseTooSoon),
      fc.constantFrom<"retry" | "hold">("retry", "hold").map(release),
    ],
    { maxCommands: 40, size: "max" },
  );
  const begin = async () => {
    await context.ctx.db.query("DELETE FROM mails");
    const real = new Mail(context, await insertPlainMail(context.ctx));
    return { model: { status: "queued" as const, attempt: 0, maybeSent: false, events: [] }, real };
  };
  const run = fc.asyncProperty(steps, (commands) => fc.asyncModelRun(begin, commands));
  await fc.assert(run, { seed: 20_260_120, numRuns: 30, interruptAfterTimeLimit: 60_000 });
});

test.run();
