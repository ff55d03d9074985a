/** The retry ladder in full, at its real pace: 1, 2, 4, 8 and 16 seconds, and then the end. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshDatabase, freshVhost } from "../harness/test.ts";
import { startSendGrid } from "./stand-ins/sendgrid.ts";
import { startSystem, stopAll } from "./system.ts";

const story = suite("ladder");
story.after(stopAll);

const ladder = [1, 2, 4, 8, 16];
/** Seconds that a retry may come late on a busy machine. It must not come early. */
const late = 3;

story("a provider that stays at fault is asked after 1, 2, 4, 8 and 16 seconds, with either broker", async () => {
  const drivers = [{ RABBITMQ_URL: await freshVhost(), DATABASE_URL: await freshDatabase() }, {}];
  await Promise.all(
    drivers.map(async (driver) => {
      const sendgrid = await startSendGrid();
      sendgrid.always({ kind: "status", status: 503 });
      const env = { ...driver, SENDGRID_API_KEY: sendgrid.key, SENDGRID_BASE_URL: sendgrid.url };
      const system = await startSystem({ env });
      const state = await system.settled(await system.accept(), 60_000);
      assert.equal([state.status, state.retry_count], ["failed", 5], state.error_message);
      assert.equal(
        state.events.map(({ type }) => type),
        ["retry", "retry", "retry", "retry", "retry", "failed"],
      );
      const times = sendgrid.ledger.map(({ at }) => at / 1000);
      const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
      assert.is(gaps.length, ladder.length);
      for (const [index, seconds] of ladder.entries()) {
        const gap = gaps[index] ?? 0;
        assert.ok(gap > seconds - 0.05 && gap < seconds + late, `retry ${index + 1} came after ${gap} s`);
      }
      await sendgrid.close();
    }),
  );
});

story.run();
