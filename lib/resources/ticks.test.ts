import { pino } from "pino";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { openDatabase, type Database } from "./database.ts";
import { claimTick } from "./ticks.ts";

const test = suite<{ one: TestContext; other: Database }>("ticks");

test.before(async (context) => {
  context.one = await openContext();
  const log = pino({ level: "silent" });
  context.other = await openDatabase({ url: context.one.url, poolSize: 20, log, applicationName: "test" });
});
test.after(async ({ one, other }) => {
  await other.close();
  await one.close();
});

const at = (second: number) => new Date(Date.UTC(2026, 0, 20, 10, 0, second));

test("of all that ask for a tick at once exactly one runs it", async ({ one, other }) => {
  for (let second = 0; second < 5; second++) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => claimTick(index % 2 ? one.ctx.db : other, "mail/sweep", at(second))),
    );
    assert.is(answers.filter(Boolean).length, 1, `second ${second}`);
  }
});

test("a tick that was run, and one before it, is not run again", async ({ one }) => {
  const claim = (second: number) => claimTick(one.ctx.db, "mail/again", at(second));
  assert.equal([await claim(3), await claim(3), await claim(2), await claim(4)], [true, false, false, true]);
});

test("each function has ticks of its own", async ({ one }) => {
  assert.ok(await claimTick(one.ctx.db, "a", at(1)));
  assert.ok(await claimTick(one.ctx.db, "b", at(1)));
});

test("a process that ends before its claim commits leaves the tick to another", async ({ one, other }) => {
  const dying = new Client({ connectionString: one.url });
  await dying.connect();
  dying.on("error", () => {});
  await dying.query("BEGIN");
  const query: Database["query"] = (text, values) => dying.query(text, values && [...values]);
  assert.ok(await claimTick({ query }, "mail/dying", at(1)));
  const next = claimTick(other, "mail/dying", at(1));
  await dying.end();
  assert.ok(await next);
});

test.run();
