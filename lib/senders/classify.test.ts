import { test } from "uvu";
import * as assert from "uvu/assert";
import { classify, type Verdict } from "./classify.ts";

const now = Date.parse("2026-01-20T10:00:00Z");

const statuses: [status: number, kind: Verdict["kind"]][] = [
  [200, "accepted"],
  [202, "accepted"],
  [204, "accepted"],
  [301, "permanent"],
  [400, "permanent"],
  [401, "permanent"],
  [403, "permanent"],
  [404, "permanent"],
  [408, "transient"],
  [413, "permanent"],
  [422, "permanent"],
  [429, "throttled"],
  [500, "transient"],
  [502, "transient"],
  [503, "transient"],
  [504, "unknown"],
  [599, "transient"],
];
for (const [status, kind] of statuses) {
  test(`HTTP ${status} is ${kind}`, () => {
    const verdict = classify({ kind: "response", status, detail: "from: no such sender" }, now);
    assert.is(verdict.kind, kind);
    assert.is(verdict.code, `http_${status}`);
    assert.ok(verdict.reason.length > 10);
    assert.is(verdict.retryAfterMs !== undefined, kind === "throttled");
  });
}

test("the provider's own words are in the reason of what it refused", () => {
  const { reason } = classify({ kind: "response", status: 400, detail: "from: no such sender" }, now);
  assert.match(reason, "from: no such sender");
});

const failures: [code: string, connecting: boolean, kind: Verdict["kind"]][] = [
  ["ECONNREFUSED", false, "transient"],
  ["ENOTFOUND", false, "transient"],
  ["EAI_AGAIN", false, "transient"],
  ["EHOSTUNREACH", false, "transient"],
  ["CERT_HAS_EXPIRED", false, "transient"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", false, "transient"],
  ["ETIMEDOUT", true, "transient"],
  ["ETIMEDOUT", false, "unknown"],
  ["ECONNRESET", true, "transient"],
  ["ECONNRESET", false, "unknown"],
  ["ECONNABORTED", false, "unknown"],
  ["EPIPE", false, "unknown"],
  ["ERR_NEVER_HEARD_OF", false, "unknown"],
];
for (const [code, connecting, kind] of failures) {
  test(`${code} ${connecting ? "while connecting" : "later"} is ${kind}`, () => {
    const verdict = classify({ kind: "failure", code, connecting }, now);
    assert.is(verdict.kind, kind);
    assert.is(verdict.code, code);
  });
}

const waits: [retryAfter: string | undefined, ms: number][] = [
  ["1", 1000],
  ["120", 120_000],
  [" 30 ", 30_000],
  ["0", 1000],
  ["999999", 3_600_000],
  ["9".repeat(400), 10_000],
  ["Tue, 20 Jan 2026 10:00:30 GMT", 30_000],
  ["Tue, 20 Jan 2026 09:00:00 GMT", 1000],
  ["Wed, 21 Jan 2026 10:00:00 GMT", 3_600_000],
  ["soon", 10_000],
  ["", 10_000],
  [undefined, 10_000],
];
for (const [retryAfter, ms] of waits) {
  test(`Retry-After ${retryAfter?.slice(0, 40) ?? "missing"} waits ${ms} ms`, () => {
    assert.is(classify({ kind: "response", status: 429, retryAfter }, now).retryAfterMs, ms);
  });
}

test.run();
