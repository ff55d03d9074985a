import { suite, type Test } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { startRedis } from "../../ops/harness/services.ts";
import { eventually, freshRedis } from "../../ops/harness/test.ts";
import { Caller } from "../auth/caller.ts";
import { takeAllowance, type Allowance } from "./limits.ts";

interface Own {
  context: TestContext;
}

const limits = { RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "5", RATE_LIMIT_RECIPIENT_PER_HOUR: "3" };

let clients = 0;
/** A client that has not sent anything yet. */
const someone = (mailsPerHour?: number) =>
  new Caller({
    id: "",
    client_id: `client_${++clients}`,
    client_name: "Sales",
    department: "EMEA",
    permissions: ["mail:send"],
    quota: mailsPerHour === undefined ? null : { mails_per_hour: mailsPerHour },
  });

let people = 0;
/** Addresses that have not been written to yet. */
const fresh = (count = 1) => Array.from({ length: count }, () => `person${++people}@example.com`);

const to = (...recipients: string[]) => ({ recipients });
const toSomeone = (count: number) => fresh(count).map((address) => to(address));

/** What became of each mail: `ok`, or the code of its problem. */
const outcome = ({ refused }: Allowance) => refused.map((problem) => problem?.code ?? "ok");
const accepted = (allowance: Allowance) => outcome(allowance).filter((code) => code === "ok").length;

function conformance(test: Test<Own>) {
  const take = ({ ctx }: TestContext, caller: Caller, ...mails: { recipients: string[] }[]) =>
    takeAllowance(ctx, caller, mails);
  /** How many mails more this client, or this recipient, may have. */
  const leftOf = async (context: TestContext, caller: Caller) =>
    accepted(await take(context, caller, ...toSomeone(10)));
  const leftFor = async (context: TestContext, address: string) =>
    accepted(await take(context, someone(0), ...Array.from({ length: 10 }, () => to(address))));

  test("a client has so many mails an hour, by one or by many at once", async ({ context }) => {
    const sales = someone();
    assert.equal(outcome(await take(context, sales, ...toSomeone(2))), ["ok", "ok"]);
    const rest = await take(context, sales, ...toSomeone(5));
    assert.equal(outcome(rest), ["ok", "ok", "ok", "rate_limited", "rate_limited"]);
    const [, , , problem] = rest.refused;
    assert.is(problem?.status, 429);
    assert.is(problem?.message, "This client has sent its 5 mails of an hour");
    const { "retry-after": wait, ...headers } = problem?.headers ?? {};
    assert.ok(Number(wait) > 3500 && Number(wait) <= 3660, wait);
    assert.equal(headers, {
      "ratelimit-limit": "5",
      "ratelimit-remaining": "0",
      "ratelimit-reset": wait,
      "ratelimit-policy": "5;w=3600",
    });
    assert.is(await leftOf(context, sales), 0);
    assert.is(await leftOf(context, someone()), 5, "another client has its own");
  });

  test("a client's own quota holds in place of the system's; 0 is none", async ({ context }) => {
    assert.is(await leftOf(context, someone(2)), 2);
    assert.is(await leftOf(context, someone(8)), 8);
    assert.is(accepted(await take(context, someone(0), ...toSomeone(100))), 100);
  });

  test("a recipient gets so many mails an hour, whoever sends and however it is written", async ({ context }) => {
    const [ann = ""] = fresh();
    assert.equal(outcome(await take(context, someone(), to(ann), to(ann.toUpperCase()))), ["ok", "ok"]);
    const third = await take(context, someone(), to(`P${ann.slice(1)}`), to(ann));
    assert.equal(outcome(third), ["ok", "rate_limited"]);
    assert.equal(outcome(await take(context, someone(), to(...fresh(), ann))), ["rate_limited"]);
  });

  test("who is named twice in a mail gets it once", async ({ context }) => {
    const [ann = ""] = fresh();
    assert.equal(outcome(await take(context, someone(), to(ann, ann.toUpperCase(), ann))), ["ok"]);
    assert.is(await leftFor(context, ann), 2);
  });

  test("the problem says which recipients, by their place, and has no address", async ({ context }) => {
    const [full = "", other = "", free = ""] = fresh(3);
    await leftFor(context, full);
    await leftFor(context, other);
    const { refused } = await take(context, someone(), to(free, full, full.toUpperCase(), free, other));
    const message = "has been sent its 3 mails of an hour";
    assert.equal(refused[0]?.details, [
      { field: "recipients[1]", message },
      { field: "recipients[4]", message },
    ]);
    assert.is(refused[0]?.headers?.["ratelimit-limit"], "3");
    assert.not.match(JSON.stringify([refused[0], refused[0]?.message, refused[0]?.stack]), /person\d/i);
  });

  test("a refused mail uses nothing up, neither its client's nor its recipients'", async ({ context }) => {
    const [full = "", free = ""] = fresh(2);
    await leftFor(context, full);
    const sales = someone();
    for (let n = 0; n < 10; n++) assert.equal(outcome(await take(context, sales, to(free, full))), ["rate_limited"]);
    assert.is(await leftFor(context, free), 3);
    assert.is(await leftOf(context, sales), 5);

    const [late = ""] = fresh();
    assert.equal(outcome(await take(context, sales, to(late))), ["rate_limited"]);
    assert.is(await leftFor(context, late), 3);
  });

  test("of many, the earlier ones win; what a refused one leaves goes to the next", async ({ context }) => {
    const [full = "", ann = ""] = fresh(2);
    await leftFor(context, full);
    const mails = [to(full), to(ann), to(full), to(ann), to(ann), to(ann), ...toSomeone(4)];
    const became = outcome(await take(context, someone(), ...mails)).map((code) => code === "ok");
    assert.equal(became, [false, true, false, true, true, false, true, true, false, false]);
  });

  test("what is given back is there again, once", async ({ context }) => {
    const [ann = "", bea = "", full = ""] = fresh(3);
    await leftFor(context, full);
    const sales = someone();
    const allowance = await take(context, sales, to(ann, bea), to(ann), to(full), to(bea));
    allowance.giveBackOne(0);
    allowance.giveBackOne(0);
    allowance.giveBackOne(2);
    allowance.giveBackOne(99);
    assert.equal([await leftFor(context, ann), await leftFor(context, bea)], [2, 2]);
    assert.is(await leftOf(context, sales), 3);

    const other = someone();
    const [cas = ""] = fresh();
    const all = await take(context, other, to(cas), to(cas), to(cas), to(cas));
    all.giveBack();
    all.giveBack();
    assert.equal([await leftFor(context, cas), await leftOf(context, other)], [3, 5]);
  });

  test("a thousand mails at once, each to another", async ({ context }) => {
    const allowance = await take(context, someone(999), ...toSomeone(1000));
    assert.is(accepted(allowance), 999);
    assert.is(outcome(allowance)[999], "rate_limited");
  });

  test("two requests at once share what there is", async ({ context }) => {
    const sales = someone();
    const both = await Promise.all([take(context, sales, ...toSomeone(4)), take(context, sales, ...toSomeone(4))]);
    assert.is(
      both.map(accepted).reduce((sum, count) => sum + count),
      5,
    );
  });
}

const inProcess = suite<Own>("mail limits in process");
inProcess.before(async (state) => {
  state.context = await openContext({ env: limits });
});
inProcess.after(({ context }) => context.close());
conformance(inProcess);

inProcess("without limits nothing is counted", async () => {
  const context = await openContext();
  const counted: unknown[] = [];
  const rateLimits = { take: (...asked: unknown[]) => void counted.push(asked) as never, giveBack() {} };
  const allowance = await takeAllowance({ config: context.ctx.config, rateLimits }, someone(), toSomeone(3));
  assert.equal([outcome(allowance), counted], [["ok", "ok", "ok"], []]);
  await context.close();
});

const inRedis = suite<Own>("mail limits in Redis");
inRedis.before(async (state) => {
  state.context = await openContext({ env: { ...limits, KEYDB_URL: await freshRedis() } });
  const { cache } = state.context.ctx;
  await eventually(() => cache.ping(), { what: "connected" });
});
inRedis.after(({ context }) => context.close());
conformance(inRedis);

inRedis("with Redis away all mail passes, and giving back does no harm", async () => {
  const server = await startRedis({ durable: false });
  const context = await openContext({ env: { ...limits, KEYDB_URL: server.url } });
  const { ctx } = context;
  await eventually(() => ctx.cache.ping(), { what: "connected" });
  const [ann = ""] = fresh();
  const sales = someone();
  assert.is(accepted(await takeAllowance(ctx, sales, [to(ann), to(ann), to(ann), to(ann)])), 3);
  await server.kill();
  await eventually(async () => !(await ctx.cache.ping()), { what: "it is known to be away" });
  const allowance = await takeAllowance(ctx, sales, [to(ann), ...toSomeone(20)]);
  assert.is(accepted(allowance), 21);
  allowance.giveBack();
  await context.close();
  await server.close();
});

inProcess.run();
inRedis.run();
