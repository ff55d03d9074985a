import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { freshDatabase } from "../../ops/harness/test.ts";
import { hashIdNumber, openIdNumber, sealIdNumber } from "../crm/members/id-number.ts";
import { takeGuest } from "../crm/pms/link.ts";
import { isFault, memberRecord } from "../crm/pms/records.ts";
import { listReviews } from "../crm/pms/reviews.ts";
import { acceptMail } from "../mail/accept.ts";
import { jobRelay } from "../schedule/job-mail.ts";
import { createJob } from "../schedule/jobs.ts";
import { openRelay, sealRelay } from "../senders/own-relay.ts";
import { rotateSecrets } from "./rotate-secrets.ts";
import { createSenderConfig, readSenderConfig, updateSenderConfig } from "./sender-configs.ts";

const test = suite<{ opened: TestContext[]; open: (...keys: Buffer[]) => Promise<TestContext> }>("rotate secrets");

const [a, b, lost] = [randomBytes(32), randomBytes(32), randomBytes(32)];

/** Each story has a database of its own; `open` opens a container with these keys on it. */
test.before.each(async (state) => {
  const url = await freshDatabase();
  state.opened = [];
  state.open = async (...keys) => {
    const context = await openContext({
      env: {
        DATABASE_URL: url,
        ORG_EMAIL_DOMAIN: "acme.example",
        MAIL_SENDER: "sandbox",
        ENCRYPTION_KEY: keys.map((key) => key.toString("base64")).join(","),
      },
    });
    state.opened.push(context);
    return context;
  };
});
test.after.each(async ({ opened }) => {
  for (const context of opened) await context.close();
});

const settings = { tenantId: "t", clientId: "c", clientSecret: "", isActive: true, clientIds: null };
const make = (context: TestContext, name: string) =>
  createSenderConfig(context.ctx, `${name}@acme.example`, { ...settings, clientSecret: `${confidential} ${name}` });
const secretOf = async ({ ctx }: TestContext, id: string) => (await readSenderConfig(ctx, id)).maskedSecret;

test("after the rotation the old key is not needed any more", async ({ open }) => {
  const before = await open(a);
  const ids: string[] = [];
  for (let count = 0; count < 230; count++) ids.push((await make(before, `sender-${1000 + count}`)).id);
  const both = await open(b, a);
  assert.equal(await rotateSecrets(both.ctx), { resealed: 230, failed: [] });
  assert.equal(await rotateSecrets(both.ctx), { resealed: 0, failed: [] }, "running it again finds nothing to do");
  const after = await open(b);
  for (const [index, id] of ids.entries()) assert.is(await secretOf(after, id), `Conf****${1000 + index}`);
});

test("the password of a mail's own relay moves over, too", async ({ open }) => {
  const before = await open(a);
  const auth = { kind: "password" as const, user: "u", password: `${confidential} relay` };
  const relay = { host: "relay.example", port: 587, secure: "tls" as const, from: undefined, auth };
  const { id } = await acceptMail(before.ctx, aCaller(), aMail());
  await before.ctx.db.query("UPDATE mails SET relay = $2 WHERE id = $1", [id, sealRelay(before.ctx, relay, id)]);
  const both = await open(b, a);
  assert.equal(await rotateSecrets(both.ctx), { resealed: 1, failed: [] });
  const after = await open(b);
  const { rows } = await after.ctx.db.query<{ relay: unknown }>("SELECT relay FROM mails WHERE id = $1", [id]);
  assert.equal(openRelay(after.ctx, rows[0]?.relay, id), relay);
});

test("the passwords of scheduled mail move over, too", async ({ open }) => {
  const before = await open(a);
  const job = { progcode: "STAY", sender: "a@acme.example", recipients: "b@acme.example", subject: "x", body: "x" };
  const relay = { smtphost: "relay.example", smtpuser: "u", smtppassword: `${confidential} relay` };
  const { id } = await createJob(before.ctx, { ...job, ...relay, nextexecutetime: "2025-10-07 11:00" });
  // Written in clear: left to the schedule that seals it.
  await before.ctx.db.query(`INSERT INTO tblschedulemail (progcode, sender, recipients, subject, body, nextexecutetime,
    smtppassword) VALUES ('X', 'x', 'x', 'x', 'x', now(), 'clear')`);
  const both = await open(b, a);
  assert.equal(await rotateSecrets(both.ctx), { resealed: 1, failed: [] });
  const after = await open(b);
  const { rows } = await after.ctx.db.query<Parameters<typeof jobRelay>[1]>(
    "SELECT smtphost, smtpport, smtpuser, smtppassword, smtpsecure FROM tblschedulemail WHERE id = $1",
    [id],
  );
  const [kept] = rows;
  assert.equal(kept && jobRelay(after.ctx, kept)?.auth, {
    kind: "password",
    user: "u",
    password: `${confidential} relay`,
  });
});

test("guests of the PMS who wait for a decision move over", async ({ open }) => {
  const before = await open(a);
  const phone = "0912345678";
  const members = "INSERT INTO members (source, phone) VALUES ('line', $1), ('crm', $1)";
  await before.ctx.db.query(members, [phone]);
  const record = memberRecord(before.ctx, { id: "G1", last_name: "王", phone, updated_at: "2025-10-08T10:00:00Z" });
  if (isFault(record)) throw new Error(record.reason);
  await before.ctx.db.transaction((tx) => takeGuest(before.ctx, tx, record, false));
  assert.equal(await rotateSecrets((await open(b, a)).ctx), { resealed: 1, failed: [] });
  const { items } = await listReviews((await open(b)).ctx, { page: 1, pageSize: 20, offset: 0 });
  assert.equal(
    items.map((review) => review.record),
    [record],
  );
});

test("the id numbers of members move over, and their hashes with them", async ({ open }) => {
  const before = await open(a);
  const { sealed, hash } = sealIdNumber(before.ctx, "A123456789");
  const insert = "INSERT INTO members (source, id_number, id_number_hash) VALUES ('crm', $1, $2)";
  await before.ctx.db.query(insert, [sealed, hash]);
  const both = await open(b, a);
  // While the keys changed somebody has entered him once more.
  await both.ctx.db.query(insert, Object.values(sealIdNumber(both.ctx, "B987654321")));
  const { sealed: again, hash: oldHash } = sealIdNumber(before.ctx, "B987654321");
  await both.ctx.db.query(insert, [again, oldHash]);
  const { resealed, failed } = await rotateSecrets(both.ctx);
  assert.is(resealed, 1);
  assert.equal(
    failed.map(({ table, reason }) => [table, reason]),
    [["members", "another row has the same"]],
  );
  const after = await open(b);
  const { rows } = await after.ctx.db.query<{ id_number: string }>(
    "SELECT id_number FROM members WHERE id_number_hash = $1",
    [hashIdNumber(after.ctx, "A123456789")],
  );
  assert.is(openIdNumber(after.ctx, rows[0]?.id_number ?? ""), "A123456789");
});

test("what no key opens is named, and the rest is sealed anew", async ({ open }) => {
  const [first, second] = [await open(lost), await open(a)];
  const strange = await make(first, "strange-0001");
  const plain = await make(second, "plain-0002");
  const both = await open(b, a);
  const { resealed, failed } = await rotateSecrets(both.ctx);
  assert.is(resealed, 1);
  const reason = `it was sealed with the key ${first.ctx.secrets.keyId}, which is not in ENCRYPTION_KEY`;
  assert.equal(failed, [{ table: "email_sender_configs", id: strange.id, reason }]);
  assert.is(await secretOf(both, plain.id), "Conf****0002");
  assert.is(await secretOf(first, strange.id), "Conf****0001", "it was left as it is");
});

test("a secret that is replaced while the rotation runs is never set back", async ({ open }) => {
  const before = await open(a);
  const ids = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => (await make(before, `busy-${1000 + index}`)).id),
  );
  const both = await open(b, a);
  const none = { tenantId: undefined, clientId: undefined, isActive: undefined, clientIds: undefined };
  // The container that replaces them still seals with the old key.
  const replaced = ids.map((id) =>
    updateSenderConfig(before.ctx, id, { ...none, clientSecret: `${confidential} new!` }),
  );
  await Promise.all([rotateSecrets(both.ctx), ...replaced]);
  for (const id of ids) assert.is(await secretOf(both, id), "Conf****new!");
});

test.run();
