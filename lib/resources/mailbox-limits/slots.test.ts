/** The promises of both drivers. */
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshRedis } from "../../../ops/harness/test.ts";
import { eventually } from "../../../ops/harness/eventually.ts";
import { openRedis, type Redis } from "../redis.ts";
import { openProcessSlots } from "./process.ts";
import { openRedisSlots } from "./redis.ts";
import type { MailboxRules, MailboxSlots } from "./slots.ts";

const mailbox = "sales@corp.example";
const rules: MailboxRules = { perWindow: 3, windowMs: 400, atOnce: 2, permitMs: 300 };

interface State {
  /** All that a fleet of processes would open. */
  open: (given?: Partial<MailboxRules>) => Promise<MailboxSlots>;
  close: () => void;
}

const drivers: Record<string, () => Promise<State>> = {
  process: async () => ({ open: async (given) => openProcessSlots({ ...rules, ...given }), close() {} }),
  redis: async () => {
    let redis: Redis | undefined;
    return {
      async open(given) {
        redis?.client.destroy();
        const mine = (redis = openRedis({ url: await freshRedis(), log: pino({ level: "silent" }) }));
        await eventually(() => mine.isReady(), { what: "Redis" });
        return openRedisSlots(mine, { ...rules, ...given });
      },
      close: () => redis?.client.destroy(),
    };
  },
};

for (const [name, start] of Object.entries(drivers)) {
  const test = suite<State>(`mailbox limits, ${name}`);
  test.before(async (state) => void Object.assign(state, await start()));
  test.after(({ close }) => close());

  test("as many as the window takes go at once; the next waits for the first to leave it", async ({ open }) => {
    const slots = await open({ windowMs: 5000 });
    for (const mail of ["a", "b", "c"]) assert.is(await slots.enter(mailbox, mail, `${mail}1`), 0);
    const wait = await slots.enter(mailbox, "d");
    assert.ok(wait > 4000 && wait <= 5000, String(wait));
    assert.is(await slots.enter("other@corp.example", "d"), 0, "each mailbox has its own");
  });

  test("a long queue is told its times once: one window's worth for each window, in order", async ({ open }) => {
    const slots = await open({ windowMs: 5000 });
    const waits: number[] = [];
    for (let mail = 0; mail < 12; mail++) waits.push(await slots.enter(mailbox, `m${mail}`));
    const windows = waits.map((wait) => Math.ceil(wait / 5000));
    assert.equal(windows, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  test("who comes before its time keeps its slot, and nobody new goes before it", async ({ open }) => {
    const slots = await open({ windowMs: 5000 });
    for (const mail of ["a", "b", "c", "d"]) await slots.enter(mailbox, mail);
    const again = await slots.enter(mailbox, "d");
    assert.ok(again > 4000 && again <= 5000, String(again));
    for (const mail of ["e", "f", "g"]) await slots.enter(mailbox, mail);
    assert.ok((await slots.enter(mailbox, "g")) > 5000, "also when it asks again");
    assert.ok((await slots.enter(mailbox, "f")) <= 5000);
  });

  test("who was let in and could not go counts when it does go, and only then", async ({ open }) => {
    const slots = await open();
    assert.is(await slots.enter(mailbox, "a"), 0);
    await pause(250);
    assert.is(await slots.enter(mailbox, "a", "a1"), 0);
    assert.is(await slots.enter(mailbox, "b", "b1"), 0);
    assert.is(await slots.enter(mailbox, "c", "c1"), 0);
    await pause(250);
    assert.ok((await slots.enter(mailbox, "d")) > 0, "a is in the window from its departure on");
  });

  test("an attempt that has gone counts, also when its mail comes again", async ({ open }) => {
    const slots = await open({ windowMs: 5000 });
    for (const attempt of ["1", "2", "3"]) assert.is(await slots.enter(mailbox, "a", `a${attempt}`), 0);
    assert.ok((await slots.enter(mailbox, "a", "a4")) > 4000);
  });

  test("in no window do more go than may, however they come", async ({ open }) => {
    const slots = await open();
    const gone: { from: number; to: number }[] = [];
    // 25 mails of four workers: each is late by something, and some come twice or come long after their slot.
    await Promise.all(
      Array.from({ length: 25 }, async (_, mail) => {
        await pause(Math.random() * 300);
        for (;;) {
          const from = performance.now();
          const ready = await slots.enter(mailbox, `m${mail}`);
          if (ready === 0) {
            if (mail % 3 === 0) await pause(Math.random() * 100);
            const again = performance.now();
            if ((await slots.enter(mailbox, `m${mail}`, `gone${mail}`)) === 0) {
              return gone.push({ from: mail % 3 === 0 ? again : from, to: performance.now() });
            }
          }
          await pause(ready + Math.random() * (mail % 5 === 0 ? 200 : 20));
        }
      }),
    );
    const [starts, ends] = [
      gone.map(({ from }) => from).toSorted(byNumber),
      gone.map(({ to }) => to).toSorted(byNumber),
    ];
    // It went between the two; a millisecond for the rounding of clocks.
    for (const [index, start] of starts.entries()) {
      const fourth = ends[index + rules.perWindow];
      if (fourth !== undefined) assert.ok(fourth - start >= rules.windowMs - 1, `${fourth - start} ms`);
    }
    const all = (ends.at(-1) ?? 0) - (starts[0] ?? 0);
    assert.ok(all < 25 * rules.windowMs, "the window is used: three at a time, not one");
  });

  test("no limit is no limit", async ({ open }) => {
    const slots = await open({ perWindow: 0, atOnce: 0 });
    for (let mail = 0; mail < 50; mail++) assert.is(await slots.enter(mailbox, String(mail)), 0);
    for (let mail = 0; mail < 50; mail++) assert.is(await slots.hold(mailbox, String(mail)), true);
    await slots.release(mailbox, "1");
  });

  test("permits are as many as there may be, and given back", async ({ open }) => {
    const slots = await open({ permitMs: 10_000 });
    const held = await Promise.all(["1", "2", "3", "4"].map((permit) => slots.hold(mailbox, permit)));
    assert.is(held.filter((got) => got).length, rules.atOnce);
    assert.is(await slots.hold("other@corp.example", "5"), true);
    await slots.release(mailbox, String(held.indexOf(true) + 1));
    assert.is(await slots.hold(mailbox, "6"), true);
    assert.is(await slots.hold(mailbox, "7"), false);
  });

  test("a permit that is prolonged stays, and that of a killed holder ends", async ({ open }) => {
    const slots = await open({ atOnce: 2, permitMs: 500 });
    assert.is(await slots.hold(mailbox, "mine"), true);
    assert.is(await slots.hold(mailbox, "killed"), true);
    assert.is(await slots.hold(mailbox, "other"), false);
    const prolonging = setInterval(() => slots.hold(mailbox, "mine"), 100);
    try {
      await eventually(() => slots.hold(mailbox, "other"), { what: "its end", within: 2000 });
      assert.is(await slots.hold(mailbox, "third"), false, "mine is still held");
    } finally {
      clearInterval(prolonging);
    }
  });

  test.run();
}

function byNumber(one: number, other: number): number {
  return one - other;
}
