import { mkdir, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { ask, attached, empty, files } from "./accept.fixture.ts";
import { acceptMail } from "./accept.ts";
import { cleanAttachments } from "./clean-attachments.ts";

const test = suite<{ context: TestContext; now: Date }>("cleaning attachments");
const dayMs = 24 * 60 * 60 * 1000;

test.before(async (state) => {
  state.now = new Date();
  state.context = await openContext({
    env: { ATTACHMENT_RETENTION_DAYS: "30" },
    clock: { now: () => new Date(state.now) },
  });
});
test.before.each(async (state) => {
  state.now = new Date("2026-06-20T10:00:00Z");
  await empty(state.context);
});
test.after(({ context }) => context.close());

interface Given {
  status?: string;
  daysAgo?: number;
  /** When it last changed; as it came, unless told. */
  changedDaysAgo?: number;
  content?: string;
}

/** A mail with one file, which came so many days ago; its id. */
async function aMailWith({ context, now }: { context: TestContext; now: Date }, given: Given): Promise<string> {
  const { status = "sent", daysAgo = 0, changedDaysAgo = daysAgo, content = "a file" } = given;
  const at = (days: number) => new Date(now.getTime() - days * dayMs);
  const clock = { ...context.ctx.clock, now: () => at(daysAgo) };
  const ctx = Object.defineProperty(context.newCall(), "clock", { value: clock });
  const { id } = await acceptMail(ctx, aCaller(), aMail({ attachments: [attached("a.txt", content)] }));
  await ask(context, "UPDATE mails SET status = $2, updated_at = $3 WHERE id = $1", [id, status, at(changedDaysAgo)]);
  await ask(context, "UPDATE attachments SET created_at = $2 WHERE mail_id = $1", [id, at(daysAgo)]);
  return id;
}

/** The mails that have their file, by what is on disk and by what their rows say: they must agree. */
async function withFiles(context: TestContext): Promise<string[]> {
  const rows = await ask<{ mail_id: string; storage_path: string; removed: boolean }>(
    context,
    "SELECT mail_id, storage_path, removed_at IS NOT NULL AS removed FROM attachments",
  );
  const found: string[] = [];
  for (const { mail_id: id, storage_path: path, removed } of rows) {
    const isThere = await context.ctx.attachments.read(path).then(
      () => true,
      () => false,
    );
    assert.is(isThere, !removed, `${path} ${isThere ? "is" : "is not"} there, and its row says ${removed}`);
    if (isThere) found.push(id);
  }
  return found.toSorted();
}

test("files go 30 days after their mail came to its end; what is still to be sent keeps them", async (state) => {
  const gone: Given[] = [
    { status: "sent", daysAgo: 31 },
    { status: "failed", daysAgo: 31 },
    { status: "cancelled", daysAgo: 31 },
    { status: "sent", daysAgo: 400, changedDaysAgo: 31 },
  ];
  const stay: Given[] = [
    { status: "sent", daysAgo: 29 },
    { status: "sent", daysAgo: 40, changedDaysAgo: 29 },
    { status: "failed", daysAgo: 0 },
    { status: "queued", daysAgo: 300 },
    { status: "processing", daysAgo: 31 },
  ];
  for (const given of gone) await aMailWith(state, { ...given, content: JSON.stringify(given) });
  const ids: string[] = [];
  for (const given of stay) ids.push(await aMailWith(state, { ...given, content: JSON.stringify(given) }));
  const { context } = state;
  await cleanAttachments(context.newCall());
  assert.equal(await withFiles(context), ids.toSorted());
  const { ofMails, beside } = await files(context);
  assert.is(ofMails.length, stay.length);
  assert.is(beside.length, stay.length, "and no content is kept for nobody");
  const { folder } = context.ctx.config.attachments;
  assert.equal((await readdir(join(folder, "2025"))).toSorted(), ["08"], "a month without mail has no folder");
});

test("a file that another mail has as well stays for that one", async (state) => {
  await aMailWith(state, { daysAgo: 31, content: "shared" });
  const recent = await aMailWith(state, { daysAgo: 1, content: "shared" });
  await cleanAttachments(state.context.newCall());
  assert.equal(await withFiles(state.context), [recent]);
  const { ofMails, beside } = await files(state.context);
  assert.is((await stat(ofMails[0] ?? "")).ino, (await stat(beside[0] ?? "")).ino, "and is the one content");
});

test("more than one batch is cleaned in one go", async (state) => {
  await ask(
    state.context,
    `WITH made AS (INSERT INTO mails (from_address, to_addresses, subject, client_id, status, updated_at)
       SELECT 'a@x', '{}', 's', 'c', 'sent', $1 FROM generate_series(1, 1201) RETURNING id)
     INSERT INTO attachments (mail_id, position, filename, size_bytes, storage_path, created_at)
     SELECT id, 0, 'f', 1, '2020/01/01/' || id || '/f', $1 FROM made`,
    [new Date(state.now.getTime() - 31 * dayMs)],
  );
  await cleanAttachments(state.context.newCall());
  const [left] = await ask<{ count: number }>(
    state.context,
    "SELECT count(*)::int AS count FROM attachments WHERE removed_at IS NULL",
  );
  assert.is(left?.count, 0);
});

/** A file in the folder of attachments that no mail knows of. */
async function left(context: TestContext, path: string, mtime?: Date): Promise<string> {
  const file = join(context.ctx.config.attachments.folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "left behind");
  if (mtime) await utimes(file, mtime, mtime);
  return path;
}

test("what a killed process has left goes once it is old enough, and nothing else", async (state) => {
  const { context, now } = state;
  const id = (digit: number) => `00000000-0000-4000-8000-00000000000${digit}`;
  const hoursAgo = (hours: number) => new Date(now.getTime() - hours * 60 * 60 * 1000);
  const hour = now.getUTCHours().toString(16).padStart(2, "0");
  const gone = [
    await left(context, `2026/06/18/${id(1)}/a.txt`),
    await left(context, `2026/06/17/${id(2)}/a.txt`),
    await left(context, `2026/01/01/${id(3)}/a.txt`),
    await left(context, `2026/01/01/${id(3)}/.half-written`),
    await left(context, ".incoming/old", hoursAgo(25)),
    await left(context, `.content/${hour}/${hour}${"0".repeat(62)}`),
  ];
  const stay = [
    await left(context, `2026/06/20/${id(4)}/a.txt`),
    await left(context, `2026/06/19/${id(5)}/a.txt`),
    await left(context, `2026/06/18/not-a-mail/a.txt`),
    await left(context, `2026/06/readme.txt`),
    await left(context, ".incoming/new", hoursAgo(23)),
  ];
  const known = await aMailWith(state, { status: "queued", daysAgo: 2 });
  await cleanAttachments(context.newCall());
  assert.equal(await withFiles(context), [known]);
  const { folder } = context.ctx.config.attachments;
  const isThere = async (path: string) =>
    stat(join(folder, path)).then(
      () => true,
      () => false,
    );
  for (const path of gone) assert.not(await isThere(path), `${path} is still there`);
  for (const path of stay) assert.ok(await isThere(path), `${path} is gone`);
  assert.not(await isThere("2026/01"), "a month without mail has no folder");
});

test("a file that was said to be removed and was not is removed the next time", async (state) => {
  const { context } = state;
  const id = await aMailWith(state, { daysAgo: 40 });
  await ask(context, "UPDATE attachments SET removed_at = now() WHERE mail_id = $1", [id]);
  await cleanAttachments(context.newCall());
  assert.equal(await withFiles(context), []);
});

test("an empty house has nothing to clean", async ({ context }) => {
  await cleanAttachments(context.newCall());
});

test("mail that is accepted meanwhile keeps its files, of whatever content", async (state) => {
  const { context } = state;
  const expected: string[] = [];
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 4 }, () => aMailWith(state, { daysAgo: 31, content: "the newsletter" })));
    const [made] = await Promise.all([
      Promise.all(Array.from({ length: 4 }, () => aMailWith(state, { daysAgo: 0, content: "the newsletter" }))),
      cleanAttachments(context.newCall()),
      cleanAttachments(context.newCall()),
    ]);
    expected.push(...made);
  }
  await cleanAttachments(context.newCall());
  assert.equal(await withFiles(context), expected.toSorted());
});

test.run();
