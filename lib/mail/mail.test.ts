import { test } from "uvu";
import * as assert from "uvu/assert";
import { leaseSeconds, publishGraceSeconds, retryLadderMs, stateVersion } from "./mail.ts";

test("retries wait 1, 2, 4, 8, 16 seconds", () => {
  assert.equal(retryLadderMs(5), [1000, 2000, 4000, 8000, 16_000]);
  assert.equal(retryLadderMs(0), []);
});

test("every state of a mail's life has a higher version than those before it", () => {
  const life = [
    stateVersion("queued", 0),
    stateVersion("processing", 1),
    stateVersion("queued", 1),
    stateVersion("processing", 2),
    stateVersion("sent", 2),
  ];
  assert.equal(
    life,
    [...new Set(life)].toSorted((a, b) => a - b),
  );
  assert.ok(stateVersion("failed", 2) > stateVersion("processing", 2));
  assert.ok(stateVersion("cancelled", 0) > stateVersion("queued", 0));
  assert.ok(stateVersion("cancelled", 3) > stateVersion("queued", 3));
});

test("the lease outlives the time limit of a delivery, the grace the longest publish", () => {
  assert.ok(leaseSeconds > 45);
  assert.ok(publishGraceSeconds > 5);
});

test.run();
