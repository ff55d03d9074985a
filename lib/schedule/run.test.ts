import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshVhost } from "../../ops/harness/test.ts";
import { ask, empty, refusal } from "../mail/accept.fixture.ts";
import { cancelMail } from "../mail/cancel.ts";
import { attemptDelivery } from "../mail/deliver.ts";
import { retryMails } from "../mail/retry.ts";
import { Caller } from "../auth/caller.ts";
import { catchUp, runAllDue, runDue, runNow } from "./run.ts";
import { sealPasswords } from "./seal.ts";
import { isSealed } from "./job-mail.ts";

const test = suite<{ context: TestContext }>("running jobs");

test.before(async (state) => {
  state.context = await openContext({ env: { RABBITMQ_URL: await freshVhost(), MAIL_SENDER: "sandbox" } });
  state.context.keepSecret("open sesame");
});
test.before.each(async ({ context }) => {
  await empty(context);
  await context.ctx.db.query("TRUNCATE tblschedulemail RESTART IDENTITY");
});
test.after(({ context }) => context.close());

const usual = {
  progcode: "STAY",
  sender: "hello@hotel.example",
  recipients: "ann@example.com",
  subject: "Your stay",
  body: "<p>Welcome</p>",
  nextexecutetime: "2025-10-07 11:00:00+08",
};

/** A job as an operator adds it by SQL. */
async function add({ ctx }: TestContext, given: Record<string, unknown> = {}): Promise<number> {
  const row = { ...usual, ...given };
  const names = Object.keys(row);
  const { rows } = await ctx.db.query<{ id: string }>(
    `INSERT INTO tblschedulemail (${names.join()}) VALUES (${names.map((_name, n) => `$${n + 1}`).join()}) RETURNING id`,
    Object.values(row),
  );
  return Number(rows[0]?.id);
}

interface State {
  executionstatus: string;
  lasterror: string | null;
  mailid: string | null;
  nextexecutetime: Date;
  lastexecutetime: Date | null;
  mail: string | null;
}

async function stateOf(context: TestContext, id: number): Promise<State> {
  const [state] = await ask<State>(
    context,
    `SELECT executionstatus, lasterror, mailid, nextexecutetime, lastexecutetime, mails.status AS mail
     FROM tblschedulemail LEFT JOIN mails ON mails.id = mailid WHERE tblschedulemail.id = $1`,
    [id],
  );
  if (!state) throw new Error(`There is no job ${id}`);
  return state;
}

const mailCount = async (context: TestContext) =>
  (await ask<{ count: number }>(context, "SELECT count(*)::int AS count FROM mails"))[0]?.count;

/** The job's mail as a worker ends it. */
async function deliver({ ctx }: TestContext, mailId: string | null, attempt = 1): Promise<void> {
  await attemptDelivery(ctx, mailId ?? "", attempt);
}

test("a job that is due becomes a mail, and follows it to its end", async ({ context }) => {
  const id = await add(context, { cc: "cc@example.com" });
  const { runs, more } = await runDue(context.ctx, 10);
  const [run] = runs;
  assert.equal([runs.length, more, run?.id, run?.executionstatus], [1, false, id, "Processing"]);
  const [mail] = await ask<Record<string, unknown>>(context, "SELECT * FROM mails");
  assert.is(mail?.["id"], run?.mailid);
  assert.equal(
    ["from_address", "to_addresses", "cc_addresses", "subject", "body", "html", "client_id", "source"].map(
      (one) => mail?.[one],
    ),
    [
      "hello@hotel.example",
      ["ann@example.com"],
      ["cc@example.com"],
      "Your stay",
      null,
      "<p>Welcome</p>",
      "scheduled-mail",
      "schedule",
    ],
  );
  await eventually(async () => (await context.ctx.broker.depth("mail-queue")).ready === 1, { what: "its message" });
  await deliver(context, run?.mailid ?? null);
  const { executionstatus, lasterror, mail: status } = await stateOf(context, id);
  assert.equal([executionstatus, lasterror, status], ["Success", null, "sent"]);
  assert.equal((await runDue(context.ctx, 10)).runs, [], "and does not run again");
});

test("what is not due, disabled, or done is left alone", async ({ context }) => {
  await add(context, { nextexecutetime: new Date(Date.now() + 60_000) });
  await add(context, { isenabled: false });
  for (const executionstatus of ["Processing", "Success", "Failed"]) await add(context, { executionstatus });
  assert.equal((await runDue(context.ctx, 10)).runs, []);
});

test("no more jobs are run than asked for, the longest due first, and the rest is said to be there", async ({
  context,
}) => {
  for (const day of ["03", "01", "02"]) await add(context, { nextexecutetime: `2025-10-${day} 11:00:00+08` });
  const { runs, more } = await runDue(context.ctx, 2);
  assert.equal([runs.map(({ id }) => id).toSorted(), more], [[2, 3], true]);
  await runAllDue(context.ctx);
  assert.is(await mailCount(context), 3);
});

test("many callers at once run each job once", async ({ context }) => {
  await context.ctx.db.query(
    `INSERT INTO tblschedulemail (progcode, sender, recipients, subject, body, nextexecutetime)
     SELECT 'STAY', 'hello@hotel.example', 'ann@example.com', 'Stay ' || n, 'x', now() FROM generate_series(1, 1500) AS n`,
  );
  const calls = await Promise.all(Array.from({ length: 20 }, () => runDue(context.ctx, 1000)));
  const ids = calls.flatMap(({ runs }) => runs.map(({ id }) => id));
  assert.equal([ids.length, new Set(ids).size], [1500, 1500]);
  const [counted] = await ask<{ mails: number; subjects: number }>(
    context,
    "SELECT count(*)::int AS mails, count(DISTINCT subject)::int AS subjects FROM mails",
  );
  assert.equal(counted, { mails: 1500, subjects: 1500 });
});

test("bodies of many megabytes are taken a few at a time", async ({ context }) => {
  for (let n = 0; n < 4; n++) await add(context, { body: "x".repeat(3 * 2 ** 20) });
  const { runs } = await runDue(context.ctx, 3);
  assert.is(runs.length, 3, "in two transactions, and the limit holds");
  await runAllDue(context.ctx);
  assert.is(await mailCount(context), 4);
});

test("when the commit fails, neither mail nor change is left", async ({ context }) => {
  const id = await add(context);
  await context.ctx.db.query(`
    CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '58030'; END $$;
    CREATE CONSTRAINT TRIGGER broken AFTER INSERT ON mails DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION break()`);
  try {
    assert.ok((await runDue(context.ctx, 10).catch((error: unknown) => error)) instanceof Error);
  } finally {
    await context.ctx.db.query("DROP TRIGGER broken ON mails; DROP FUNCTION break()");
  }
  const { executionstatus, mailid, lastexecutetime } = await stateOf(context, id);
  assert.equal([executionstatus, mailid, lastexecutetime, await mailCount(context)], ["Pending", null, null, 0]);
});

test("a job whose mail cannot be stored fails alone, and the others go on without it", async ({ context }) => {
  await context.ctx.db.query("ALTER TABLE mails ADD CONSTRAINT odd CHECK (subject <> 'odd') NOT VALID");
  try {
    const ids = [await add(context), await add(context, { subject: "odd" }), await add(context)];
    await runAllDue(context.ctx);
    const states = await Promise.all(ids.map((id) => stateOf(context, id)));
    assert.equal(
      states.map(({ executionstatus }) => executionstatus),
      ["Processing", "Failed", "Processing"],
    );
    assert.is(states[1]?.lasterror, "its mail could not be stored; the log says why");
  } finally {
    await context.ctx.db.query("ALTER TABLE mails DROP CONSTRAINT odd");
  }
});

test("who has locked a job holds up neither its mail nor other jobs, and it catches up", async ({ context }) => {
  const id = await add(context, { smtppassword: "open sesame" });
  await runDue(context.ctx, 10);
  const { mailid } = await stateOf(context, id);
  await context.ctx.db.transaction(async (tx) => {
    await tx.query("SELECT FROM tblschedulemail FOR UPDATE");
    await deliver(context, mailid);
    await sealPasswords(context.ctx);
    assert.is((await stateOf(context, id)).mail, "sent");
  });
  assert.is((await stateOf(context, id)).executionstatus, "Processing");
  await catchUp(context.ctx);
  assert.is((await stateOf(context, id)).executionstatus, "Success");
});

test("a job that was brought along in the middle of its run fails, and can then begin anew", async ({ context }) => {
  const past = new Date(Date.now() - 120_000);
  const id = await add(context, { executionstatus: "Processing", updatedat: past });
  await catchUp(context.ctx);
  const { executionstatus, lasterror } = await stateOf(context, id);
  assert.equal([executionstatus, lasterror], ["Failed", "its mail is not there"]);
});

test("blank columns count as not given", async ({ context }) => {
  const blank = { smtphost: " ", smtpuser: "", smtppassword: "", smtpsecure: "", cronexpr: "", timezone: "" };
  const id = await add(context, blank);
  await runDue(context.ctx, 10);
  const { mailid } = await stateOf(context, id);
  await deliver(context, mailid);
  assert.is((await stateOf(context, id)).executionstatus, "Success");
});

test("a time that does not change stays as exact as it was", async ({ context }) => {
  const id = await add(context, { nextexecutetime: "2025-10-07 11:00:00.123456+08" });
  await runDue(context.ctx, 10);
  const sql = "SELECT nextexecutetime = '2025-10-07 11:00:00.123456+08' AS same FROM tblschedulemail WHERE id = $1";
  assert.equal(await ask(context, sql, [id]), [{ same: true }]);
});

test("a job that repeats goes on by its plan, once for all that it has missed", async ({ context }) => {
  const id = await add(context, { cronexpr: "0 9 * * *", nextexecutetime: "2025-10-07 09:00:00+08" });
  await runDue(context.ctx, 10);
  const running = await stateOf(context, id);
  const wait = running.nextexecutetime.getTime() - Date.now();
  assert.ok(wait > 0 && wait <= 86_400_000, "within a day from now");
  assert.is(running.nextexecutetime.toISOString().slice(11), "01:00:00.000Z", "at nine in Taipei");
  assert.is(running.executionstatus, "Processing");
  await deliver(context, running.mailid);
  assert.is((await stateOf(context, id)).executionstatus, "Pending");
  assert.equal((await runDue(context.ctx, 10)).runs, []);
});

test("a job that repeats and fails keeps the reason and goes on; one that does not has failed", async ({ context }) => {
  const ids = [await add(context, { cronexpr: "0 9 * * *" }), await add(context)];
  await runDue(context.ctx, 10);
  await context.ctx.db.query("UPDATE mails SET status = 'failed', error_message = 'smtp_550: no such user'");
  const [repeating, once] = await Promise.all(ids.map((id) => stateOf(context, id)));
  assert.equal([repeating?.executionstatus, repeating?.lasterror], ["Pending", "smtp_550: no such user"]);
  assert.equal([once?.executionstatus, once?.lasterror], ["Failed", "smtp_550: no such user"]);
});

test("a plan that has no further day ends with its last mail", async ({ context }) => {
  const id = await add(context, { cronexpr: "0 0 30 2 *" });
  await runDue(context.ctx, 10);
  await deliver(context, (await stateOf(context, id)).mailid);
  assert.is((await stateOf(context, id)).executionstatus, "Success");
});

test("a mail that is cancelled fails its job, and one that an operator sends again takes it along", async ({
  context,
}) => {
  const id = await add(context);
  await runDue(context.ctx, 10);
  const { mailid } = await stateOf(context, id);
  const admin = new Caller({
    id: "",
    client_id: "boss",
    client_name: "Boss",
    department: null,
    permissions: ["admin"],
  });
  await cancelMail(context.ctx, mailid ?? "", admin);
  const cancelled = await stateOf(context, id);
  assert.equal([cancelled.executionstatus, cancelled.lasterror], ["Failed", "cancelled"]);

  await context.ctx.db.query("UPDATE mails SET status = 'failed'");
  await retryMails(context.ctx, [mailid ?? ""]);
  assert.is((await stateOf(context, id)).executionstatus, "Processing");
  await deliver(context, mailid);
  const { executionstatus, lasterror } = await stateOf(context, id);
  assert.equal([executionstatus, lasterror], ["Success", null]);
});

test("a job that cannot become a mail fails with the reason by column, and holds up no other", async ({ context }) => {
  const wrong: [Record<string, unknown>, string][] = [
    [{ recipients: "ann" }, "recipients entry 1 must be an e-mail address, such as user@example.com"],
    [{ recipients: " ; " }, "recipients must have at least one address"],
    [{ sender: "hello@localhost" }, "sender must have a full domain name after the @, such as example.com"],
    [{ cronexpr: "0 25 * * *" }, 'cronexpr has a wrong hour, "25": 0-23 is taken, *, lists, ranges and steps'],
    [
      { cronexpr: "0 9 * * *", timezone: "Mars/X" },
      'timezone must be a time zone of the IANA database, such as "Asia/Taipei"',
    ],
    [{ smtphost: "relay.example", smtpport: 0 }, "smtpport must be from 1 to 65535"],
    [
      {
        smtphost: "relay.example",
        smtpuser: "x",
        smtppassword: "v1.00000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      },
      "smtppassword cannot be opened: it was sealed with the key 00000000, which is not in ENCRYPTION_KEY",
    ],
  ];
  for (const [given] of wrong) await add(context, given);
  const good = await add(context);
  const { runs } = await runDue(context.ctx, 100);
  assert.equal(
    runs.toSorted((a, b) => a.id - b.id).map(({ lasterror }) => lasterror),
    [...wrong.map(([, reason]) => reason), null],
  );
  for (const [index] of wrong.entries()) {
    const { executionstatus, mailid } = await stateOf(context, index + 1);
    assert.equal([executionstatus, mailid], ["Failed", null]);
  }
  assert.is((await stateOf(context, good)).executionstatus, "Processing");
});

test("a repeating job whose mail cannot be made goes on, and says why", async ({ context }) => {
  const id = await add(context, { cronexpr: "0 9 * * *", recipients: "ann" });
  await runDue(context.ctx, 10);
  const { executionstatus, lasterror, nextexecutetime } = await stateOf(context, id);
  assert.is(executionstatus, "Pending");
  assert.match(lasterror ?? "", /^recipients entry 1/);
  assert.ok(nextexecutetime > new Date());
});

test("by hand a job is sent now: before its time, disabled, or again", async ({ context }) => {
  const soon = new Date(Date.now() + 3_600_000);
  const id = await add(context, { isenabled: false, nextexecutetime: soon, cronexpr: "0 9 * * *" });
  for (let n = 1; n <= 2; n++) {
    const run = await runNow(context.ctx, id);
    assert.equal([run.executionstatus, run.nextexecutetime], ["Processing", soon], "its plan stays");
    assert.is((await refusal(runNow(context.ctx, id))).code, "job_is_processing");
    await deliver(context, run.mailid);
    assert.is((await stateOf(context, id)).executionstatus, "Pending");
    assert.is(await mailCount(context), n);
  }
  assert.is((await refusal(runNow(context.ctx, 99))).code, "job_not_found");
});

test("by hand, a job that cannot be sent is refused with the reason, and keeps it", async ({ context }) => {
  const id = await add(context, { recipients: "ann" });
  const problem = await refusal(runNow(context.ctx, id));
  assert.equal([problem.status, problem.details?.[0]?.field], [422, "recipients"]);
  const { executionstatus, lasterror } = await stateOf(context, id);
  assert.equal([executionstatus, lasterror?.startsWith("recipients")], ["Failed", true]);
});

test("a relay of its own goes along with the mail, its password sealed for it", async ({ context }) => {
  await add(context, { smtphost: "relay.example", smtpuser: "hotel", smtppassword: "open sesame" });
  await runDue(context.ctx, 10);
  const [row] = await ask<{ relay: { host: string; auth: { password: string } } }>(context, "SELECT relay FROM mails");
  assert.is(row?.relay.host, "relay.example");
  assert.ok(isSealed(row?.relay.auth.password ?? ""));
});

test("passwords that were written in clear are sealed, and used as before", async ({ context }) => {
  await add(context, { smtphost: "relay.example", smtpuser: "hotel", smtppassword: "open sesame" });
  await sealPasswords(context.ctx);
  const [row] = await ask<{ smtppassword: string }>(context, "SELECT smtppassword FROM tblschedulemail");
  assert.ok(isSealed(row?.smtppassword ?? ""));
  const { runs } = await runDue(context.ctx, 10);
  assert.is(runs[0]?.lasterror, null);
});

test.run();
