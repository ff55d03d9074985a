import { stripVTControlCharacters } from "node:util";

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
  /** Why the file as a whole counts as failed, where its tests do not say it themselves. */
  fault?: string;
}

export interface Ended {
  output: string;
  code: number | null;
  signal: string | null;
  /** Seconds, when it was ended because it took longer. */
  overdue?: number;
}

const totalsBlock = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm;
const failedTest = /^ {2} FAIL .*$/gm;
const failedByMissing = /^ {2} FAIL .*\n {4}SKIPPED: .*$/gm;
const crashedByMissing = /^\w*:? ?SKIPPED: /m;

/**
 * How many tests of a file passed, from what uvu wrote and how the process ended. uvu cannot skip a test that has begun, so
 * a test that failed for want of a server (`Missing`) counts as skipped here. Whatever is not understood is a failure.
 */
export function readTotals({ output, code, signal, overdue }: Ended): Totals {
  const text = stripVTControlCharacters(output);
  const [total, passed, skipped] = [...text.matchAll(totalsBlock)].at(-1)?.slice(1).map(Number) ?? [];
  const missing = count(text, failedByMissing);

  if (total === undefined || passed === undefined || skipped === undefined) {
    const failed = count(text, failedTest) - missing;
    if (overdue !== undefined)
      return { passed: 0, failed: failed + 1, skipped: missing, fault: `not done in ${overdue} s` };
    if (crashedByMissing.test(text)) return { passed: 0, failed, skipped: missing + 1 };
    const how = signal ?? `code ${code}`;
    return { passed: 0, failed: failed + 1, skipped: missing, fault: `ended (${how}) without totals` };
  }

  const totals = { passed, failed: total - passed - missing, skipped: skipped + missing };
  if (overdue !== undefined) {
    const fault = `its tests are done, but something keeps it alive after ${overdue} s`;
    return { ...totals, failed: totals.failed + 1, fault };
  }
  const expected = passed === total ? 0 : 1;
  if (code !== expected) {
    return { ...totals, failed: totals.failed + 1, fault: `ended (${signal ?? `code ${code}`}) after its totals` };
  }
  return total + skipped === 0 ? { ...totals, failed: 1, fault: "has no test" } : totals;
}

const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;
