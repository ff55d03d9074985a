import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { ask, refusal } from "../mail/accept.fixture.ts";
import { createJob, deleteJob, listJobs, readJob, updateJob, type NewJob } from "./jobs.ts";
import { isSealed } from "./job-mail.ts";

const test = suite<{ context: TestContext }>("administering jobs");
const now = new Date("2026-01-20T01:00:00Z");

test.before(async (state) => {
  state.context = await openContext({ clock: { now: () => now } });
  state.context.keepSecret("open sesame");
});
test.before.each(async ({ context }) => void (await context.ctx.db.query("TRUNCATE tblschedulemail RESTART IDENTITY")));
test.after(({ context }) => context.close());

const aJob = (given: Partial<NewJob> = {}): NewJob => ({
  progcode: "STAY",
  sender: "hello@hotel.example",
  recipients: "ann@example.com",
  subject: "Your stay",
  body: "<p>Welcome</p>",
  nextexecutetime: "2026-02-01 09:00:00",
  ...given,
});

const create = ({ ctx }: TestContext, given: Partial<NewJob> = {}) => createJob(ctx, aJob(given));
const faultsOf = async (work: Promise<unknown>) => (await refusal(work)).details?.map(({ field }) => field);
const setStatus = ({ ctx }: TestContext, id: number, status: string) =>
  ctx.db.query("UPDATE tblschedulemail SET executionstatus = $2 WHERE id = $1", [id, status]);

test("a job is kept as it was given, and what was not is as usual", async ({ context }) => {
  const job = await create(context, { cc: "cc@example.com" });
  assert.equal(job, {
    id: 1,
    progcode: "STAY",
    sender: "hello@hotel.example",
    recipients: "ann@example.com",
    cc: "cc@example.com",
    bcc: null,
    subject: "Your stay",
    body: "<p>Welcome</p>",
    isenabled: true,
    nextexecutetime: new Date("2026-02-01T01:00:00Z"),
    executionstatus: "Pending",
    smtphost: null,
    smtpport: null,
    smtpuser: null,
    smtpsecure: null,
    cronexpr: null,
    timezone: null,
    lastexecutetime: null,
    lasterror: null,
    mailid: null,
    createdat: now,
    updatedat: now,
  });
  assert.equal(await readJob(context.ctx, 1), job);
});

test("a job that repeats begins with its plan's first time, unless it has one of its own", async ({ context }) => {
  const { nextexecutetime: _, ...untimed } = aJob({ cronexpr: "30 9 * * *" });
  const planned = await createJob(context.ctx, untimed);
  assert.equal(planned.nextexecutetime, new Date("2026-01-20T01:30:00Z"), "half past nine in Taipei");
  const abroad = await createJob(context.ctx, { ...untimed, timezone: "Europe/Berlin" });
  assert.equal(abroad.nextexecutetime, new Date("2026-01-20T08:30:00Z"));
  const later = await create(context, { cronexpr: "30 9 * * *", nextexecutetime: "2026-03-01 08:00" });
  assert.equal(later.nextexecutetime, new Date("2026-03-01T00:00:00Z"));
});

test("all that is wrong is told at once, by column", async ({ context }) => {
  const wrong = { sender: "x", recipients: "ann@example.com; y", nextexecutetime: "soon", cronexpr: "0 25 * * *" };
  const relay = { smtpport: 25, timezone: "Mars/Olympus" };
  assert.equal(await faultsOf(create(context, { ...wrong, ...relay })), [
    "sender",
    "recipients",
    "smtpport",
    "cronexpr",
    "timezone",
    "nextexecutetime",
  ]);
  const { nextexecutetime: _, ...untimed } = aJob();
  assert.equal(await faultsOf(createJob(context.ctx, untimed)), ["nextexecutetime"]);
  assert.equal(await faultsOf(createJob(context.ctx, { ...untimed, cronexpr: "0 0 30 2 *" })), ["cronexpr"]);
  assert.equal(await faultsOf(create(context, { timezone: "Asia/Taipei" })), ["timezone"]);
  assert.equal((await listJobs(context.ctx, {}, { skip: 0, limit: 10 })).total, 0);
});

test("a password is kept sealed and never shown", async ({ context }) => {
  const { id, ...shown } = await create(context, {
    smtphost: "relay.example",
    smtpuser: "hotel",
    smtppassword: "open sesame",
  });
  assert.not("smtppassword" in shown);
  const kept = async () =>
    (await ask<{ smtppassword: string }>(context, "SELECT smtppassword FROM tblschedulemail"))[0];
  const first = (await kept())?.smtppassword ?? "";
  assert.ok(isSealed(first) && !first.includes("sesame"));
  await updateJob(context.ctx, id, { subject: "Other" });
  assert.is((await kept())?.smtppassword, first, "what is left out stays");
  await updateJob(context.ctx, id, { smtppassword: null });
  assert.is((await kept())?.smtppassword, null);
});

test("whoever moves a relay elsewhere must know its password", async ({ context }) => {
  const relay = { smtphost: "relay.example", smtpuser: "hotel", smtppassword: "open sesame" };
  const { id } = await create(context, relay);
  for (const moved of [{ smtphost: "evil.example" }, { smtpport: 25 }, { smtpsecure: "none" }, { smtpuser: "x" }]) {
    assert.equal(await faultsOf(updateJob(context.ctx, id, moved)), ["smtppassword"]);
  }
  await updateJob(context.ctx, id, { smtphost: "relay.example" });
  await updateJob(context.ctx, id, { smtphost: "other.example", smtppassword: "open sesame" });
  await updateJob(context.ctx, id, { smtphost: null });
  const kept = await ask(context, "SELECT smtpport, smtpuser, smtppassword FROM tblschedulemail");
  assert.equal(kept, [{ smtpport: null, smtpuser: null, smtppassword: null }]);
});

test("what is not for a client to say is not taken", async ({ context }) => {
  const more = { id: 99, mailid: "00000000-0000-4000-8000-000000000000", lasterror: "x" };
  const job = await createJob(context.ctx, { ...aJob(), ...more });
  assert.equal([job.id, job.mailid, job.lasterror], [1, null, null]);
  assert.equal(await updateJob(context.ctx, 1, { subject: "Your stay", ...more }), job);
});

test("a job that is sent back as it was got does not begin anew", async ({ context }) => {
  const { nextexecutetime } = await create(context, { cronexpr: "0 9 * * *", timezone: "Asia/Taipei" });
  await setStatus(context, 1, "Success");
  const same = { nextexecutetime: nextexecutetime.toISOString(), cronexpr: "0 9 * * *", timezone: "Asia/Taipei" };
  assert.is((await updateJob(context.ctx, 1, same)).executionstatus, "Success");
});

test("rows that were brought along with their ids do not stand in the way of a new one", async ({ context }) => {
  await context.ctx.db
    .query(`INSERT INTO tblschedulemail (id, progcode, sender, recipients, subject, body, nextexecutetime)
    VALUES (1, 'X', 'x', 'x', 'x', 'x', now()), (7, 'X', 'x', 'x', 'x', 'x', now())`);
  assert.is((await create(context)).id, 8);
});

test("a change changes what is given, and nothing else", async ({ context }) => {
  const before = await create(context, { cc: "cc@example.com" });
  assert.equal(await updateJob(context.ctx, 1, {}), before);
  const after = await updateJob(context.ctx, 1, { cc: null, subject: "New" });
  assert.equal(after, { ...before, cc: null, subject: "New" });
  assert.is((await refusal(updateJob(context.ctx, 2, { subject: "x" }))).code, "job_not_found");
});

test("a job that is done begins anew with a new time, a new plan, or by word", async ({ context }) => {
  await create(context);
  for (const change of [
    { nextexecutetime: "2026-05-01 09:00" },
    { cronexpr: "0 9 * * *" },
    { executionstatus: "Pending" as const },
  ]) {
    await setStatus(context, 1, "Failed");
    assert.is((await updateJob(context.ctx, 1, { subject: "Same" })).executionstatus, "Failed");
    assert.is((await updateJob(context.ctx, 1, change)).executionstatus, "Pending");
  }
});

test("while its mail is being sent, a job gets no new time, but anything else", async ({ context }) => {
  await create(context);
  await setStatus(context, 1, "Processing");
  for (const change of [{ nextexecutetime: "2026-05-01 09:00" }, { executionstatus: "Pending" as const }]) {
    assert.is((await refusal(updateJob(context.ctx, 1, change))).code, "job_is_processing");
  }
  const { isenabled, executionstatus } = await updateJob(context.ctx, 1, { isenabled: false });
  assert.equal([isenabled, executionstatus], [false, "Processing"]);
});

test("what somebody wrote by SQL, and is wrong, does not stand in the way of other changes", async ({ context }) => {
  await create(context);
  await context.ctx.db.query("UPDATE tblschedulemail SET recipients = 'nobody', cronexpr = 'daily', smtpport = 25");
  assert.is((await updateJob(context.ctx, 1, { isenabled: false })).isenabled, false);
  assert.equal(await faultsOf(updateJob(context.ctx, 1, { cc: "cc@example.com" })), ["recipients"]);
  assert.equal(await faultsOf(updateJob(context.ctx, 1, { timezone: "Asia/Taipei" })), ["cronexpr"]);
  assert.equal(await faultsOf(updateJob(context.ctx, 1, { smtpuser: "hotel" })), ["smtpport", "smtpuser"]);
});

test("jobs are listed in their order, page by page, and those that are asked for", async ({ context }) => {
  for (const progcode of ["A", "B", "A", "A"]) await create(context, { progcode });
  await updateJob(context.ctx, 3, { isenabled: false });
  await setStatus(context, 4, "Failed");
  const list = async (filter: Parameters<typeof listJobs>[1], page = { skip: 0, limit: 10 }) => {
    const { total, jobs } = await listJobs(context.ctx, filter, page);
    return [total, jobs.map(({ id }) => id)];
  };
  assert.equal(await list({}, { skip: 1, limit: 2 }), [4, [2, 3]]);
  assert.equal(await list({ progcode: "A" }), [3, [1, 3, 4]]);
  assert.equal(await list({ isenabled: false }), [1, [3]]);
  assert.equal(await list({ progcode: "A", executionstatus: "Failed" }), [1, [4]]);
});

test("a job that is deleted is gone", async ({ context }) => {
  await create(context);
  await deleteJob(context.ctx, 1);
  assert.is((await refusal(readJob(context.ctx, 1))).code, "job_not_found");
  assert.is((await refusal(deleteJob(context.ctx, 1))).code, "job_not_found");
});

test.run();
