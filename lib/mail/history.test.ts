import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, openContext, type TestContext } from "../../ops/harness/context.ts";
import { Problem } from "../../runtime/problem.ts";
import type { Caller } from "../auth/caller.ts";
import { readHistory, type History, type HistoryQuery } from "./history.ts";

const test = suite<{ context: TestContext }>("history");

test.before(async (state) => {
  state.context = await openContext();
});
test.before.each(async ({ context }) => void (await context.ctx.db.query("TRUNCATE mails CASCADE")));
test.after(({ context }) => context.close());

const sales = aCaller("client_sales");
const boss = aCaller("client_boss", ["admin"]);

interface Given {
  client?: string;
  status?: string;
  source?: string;
  /** Microseconds after the first of January. */
  at?: number;
}

async function add({ ctx }: TestContext, { client = "client_sales", status = "sent", source = "api", at = 0 }: Given) {
  const { rows } = await ctx.db.query<{ id: string }>(
    `INSERT INTO mails (from_address, to_addresses, cc_addresses, bcc_addresses, subject, client_id, status, source, created_at, sent_at)
     VALUES ('shop@example.com', '{ann@example.com,bob@example.com}', '{carol@example.com}', '{dave@example.com}', 'Hello', $1, $2::text, $3,
             timestamptz '2026-01-01 00:00:00Z' + $4 * interval '1 us', CASE WHEN $2::text = 'sent' THEN timestamptz '2026-01-02 00:00:00Z' END)
     RETURNING id`,
    [client, status, source, at],
  );
  return rows[0]?.id ?? "";
}

/** Mails of one client, the newest first: some of one moment, some a microsecond apart. */
async function addMany(context: TestContext, count: number, given: Given = {}): Promise<string[]> {
  const made: { id: string; at: number }[] = [];
  for (let i = 0; i < count; i++) {
    const at = Math.floor(i / 3);
    made.push({ id: await add(context, { ...given, at }), at });
  }
  return made.toSorted((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
}

const read = ({ ctx }: TestContext, query: Partial<HistoryQuery> = {}, caller: Caller = sales): Promise<History> =>
  readHistory(ctx, { limit: 20, ...query }, caller);

const ids = (history: History) => history.data.map(({ id }) => id);

async function refusal(work: Promise<unknown>): Promise<[string, string | undefined]> {
  const error = await work.catch((failure: unknown) => failure);
  if (!(error instanceof Problem)) throw new Error("it was not refused", { cause: error });
  return [error.code, error.details?.[0]?.field];
}

test("a mail is shown as the interface promises, and no other field of it", async ({ context }) => {
  const [queued, sent] = [await add(context, { status: "queued" }), await add(context, { at: 1_500_000 })];
  const { data, ...rest } = await read(context);
  assert.equal(rest, { total: 2, page: 1, limit: 20, next_cursor: null });
  const common = { from: "shop@example.com", to: ["ann@example.com", "bob@example.com"], subject: "Hello" };
  assert.equal(data, [
    {
      id: sent,
      ...common,
      status: "sent",
      created_at: "2026-01-01T00:00:01.500Z",
      sent_at: "2026-01-02T00:00:00.000Z",
    },
    { id: queued, ...common, status: "queued", created_at: "2026-01-01T00:00:00.000Z", sent_at: null },
  ]);
});

test("whoever has sent nothing gets an empty page", async ({ context }) => {
  assert.equal(await read(context), { total: 0, page: 1, limit: 20, data: [], next_cursor: null });
});

test("page by page comes everything, the newest first, and past the end nothing", async ({ context }) => {
  const all = await addMany(context, 25);
  const pages = [1, 2, 3, 4, 5000].map((page) => read(context, { page, limit: 10 }));
  const read25 = await Promise.all(pages);
  assert.equal(read25.flatMap(ids), all);
  assert.equal(
    read25.map(({ page, total, data }) => [page, total, data.length]),
    [1, 2, 3, 4, 5000].map((page, i) => [page, 25, [10, 10, 5, 0, 0][i]]),
  );
});

test("a limit over 100 is taken as 100, and shown so", async ({ context }) => {
  await addMany(context, 102);
  const { limit, data, next_cursor: next } = await read(context, { limit: 1000 });
  assert.equal([limit, data.length], [100, 100]);
  assert.ok(next);
});

test("following the cursor gives every mail once, whatever is added meanwhile", async ({ context }) => {
  const all = await addMany(context, 25);
  let page = await read(context, { limit: 4 });
  const seen = ids(page);
  for (let added = 1; page.next_cursor !== null; added++) {
    await add(context, { at: 1_000_000 + added });
    page = await read(context, { limit: 4, cursor: page.next_cursor });
    assert.is(page.page, null);
    assert.is(page.total, 25 + added, "the total is that of now");
    seen.push(...ids(page));
  }
  assert.equal(seen, all);
});

test("a cursor works as well after a page by number, and with a status", async ({ context }) => {
  const all = await addMany(context, 10, { status: "failed" });
  await addMany(context, 10);
  const second = await read(context, { page: 2, limit: 3, status: "failed" });
  const next = await read(context, { limit: 100, status: "failed", cursor: second.next_cursor ?? "" });
  assert.equal([...ids(second), ...ids(next)], all.slice(3));
});

test("a status is shown alone, and counted alone", async ({ context }) => {
  const statuses = ["queued", "processing", "sent", "failed", "cancelled"] as const;
  for (const [i, status] of statuses.entries()) await addMany(context, i + 1, { status });
  for (const [i, status] of statuses.entries()) {
    const { total, data } = await read(context, { status });
    assert.equal([total, data.length], [i + 1, i + 1], status);
    assert.ok(data.every((mail) => mail.status === status));
  }
  assert.is((await read(context)).total, 15);
});

test("a client sees its own mails only; an admin everyone's, however they came, or one client's", async ({
  context,
}) => {
  const own = await addMany(context, 2);
  const others = [
    await add(context, { client: "client_other" }),
    await add(context, { client: "relay_printer", source: "smtp" }),
    await add(context, { client: "schedule", source: "schedule", status: "queued" }),
  ];
  assert.equal(ids(await read(context)), own);
  assert.equal(ids(await read(context, { client_id: "client_sales" })), own);
  assert.equal(new Set(ids(await read(context, {}, boss))), new Set([...own, ...others]));
  assert.is((await read(context, {}, boss)).total, 5);
  const printer = await read(context, { client_id: "relay_printer" }, boss);
  assert.equal([printer.total, ids(printer)], [1, [others[1]]]);
  const queued = await read(context, { status: "queued" }, boss);
  assert.equal([queued.total, ids(queued)], [1, [others[2]]]);
  assert.equal(await refusal(read(context, { client_id: "client_other" })), ["permission_denied", undefined]);
});

test("another client's cursor leads to one's own mails", async ({ context }) => {
  await addMany(context, 5, { client: "client_other" });
  const own = await addMany(context, 3);
  const { next_cursor: cursor } = await read(context, { limit: 1 }, aCaller("client_other"));
  const { data } = await read(context, { cursor: cursor ?? "" });
  assert.ok(data.every(({ id }) => own.includes(id)));
});

test("what is no cursor is refused by name, and so is one beside a page", async ({ context }) => {
  await addMany(context, 3);
  const { next_cursor: good } = await read(context, { limit: 1 });
  const bytes = Buffer.from(good ?? "", "base64url");
  const changed = (change: (copy: Buffer) => unknown) => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy.toString("base64url");
  };
  const wrong = [
    "",
    "garbage",
    "'; DROP TABLE mails; --",
    `${good}A`,
    `${good}=`,
    `${good?.slice(0, -1)}`,
    bytes.toString("base64").replace(/.$/, "+"),
    bytes.toString("hex"),
    changed((copy) => copy.writeBigInt64BE(-1n)),
    changed((copy) => copy.writeBigInt64BE(2n ** 63n - 1n)),
  ];
  for (const cursor of wrong) {
    assert.equal(await refusal(read(context, { cursor })), ["invalid_request", "cursor"], cursor);
  }
  assert.equal(await refusal(read(context, { cursor: good ?? "", page: 1 })), ["invalid_request", "cursor"]);
  const madeUp = changed((copy) => copy.writeBigInt64BE(253_402_300_800_000_000n));
  assert.is((await read(context, { cursor: madeUp })).data.length, 3, "a place that is made up is a place");
});

test("a page too deep to be looked for is refused, and says what to do", async ({ context }) => {
  for (const query of [{ page: 5002 }, { page: 1_000_000_000 }, { page: 1002, limit: 1000 }]) {
    assert.equal(await refusal(read(context, query)), ["invalid_request", "page"], JSON.stringify(query));
  }
  const error = await read(context, { page: 5002 }).catch((failure: unknown) => failure);
  assert.match(error instanceof Problem ? error.message : "", "next_cursor");
  assert.equal((await read(context, { page: 5001 })).data, []);
});

test.run();
