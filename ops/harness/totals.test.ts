import { test } from "uvu";
import * as assert from "uvu/assert";
import { readTotals } from "./totals.ts";

const totals = (total: number, passed: number, skipped = 0): string =>
  `• • \u001b[32m  (${passed} / ${total})\n\u001b[39m\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`;
const ended = { code: 0, signal: null };

test("tests that pass, fail and are skipped are counted", () => {
  assert.equal(readTotals({ ...ended, output: totals(3, 3) }), { passed: 3, failed: 0, skipped: 0 });
  assert.equal(readTotals({ ...ended, output: totals(3, 3, 2) }), { passed: 3, failed: 0, skipped: 2 });
  const oneFails = `  \u001b[41m FAIL \u001b[49m "sends"\n    Expected\n${totals(3, 2)}`;
  assert.equal(readTotals({ output: oneFails, code: 1, signal: null }), { passed: 2, failed: 1, skipped: 0 });
});

test("a test that lacks its server is skipped, its neighbour's failure is not", () => {
  const output = `   FAIL  "queues"\n    SKIPPED: RabbitMQ is not installed.\n\n   FAIL  "sends"\n    Expected\n${totals(3, 1)}`;
  assert.equal(readTotals({ output, code: 1, signal: null }), { passed: 1, failed: 1, skipped: 1 });
});

test("a file that lacks its server before its first test is skipped", () => {
  const output = "file.ts:1\nMissing: SKIPPED: RabbitMQ is not installed.\n    at x\n";
  assert.equal(readTotals({ output, code: 1, signal: null }), { passed: 0, failed: 0, skipped: 1 });
});

test("a file that says nothing, crashes or does not end has failed, whatever its exit code", () => {
  for (const file of [
    { ...ended, output: "" },
    { ...ended, output: totals(0, 0) },
    { ...ended, output: "Error: boom", code: 1 },
    { ...ended, output: totals(2, 2), code: 7 },
    { output: totals(2, 2), code: null, signal: "SIGSEGV" },
    { output: "• • ", code: null, signal: "SIGKILL", overdue: 120 },
    { output: totals(2, 2), code: null, signal: "SIGKILL", overdue: 120 },
  ]) {
    const { failed, fault } = readTotals(file);
    assert.is(failed, 1, file.output);
    assert.ok(fault, file.output);
  }
});

test.run();
