import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { classify, type ProviderAnswer, type SmtpStep, type Verdict } from "./classify.ts";

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

test("patience can be asked for with another status, too", () => {
  const verdict = classify({ kind: "response", status: 503, throttled: true, retryAfter: "7" }, now);
  assert.equal([verdict.kind, verdict.code, verdict.retryAfterMs], ["throttled", "http_503", 7000]);
});

test("503 with Retry-After asks for patience; without, it is a fault", () => {
  const asks = classify({ kind: "response", status: 503, retryAfter: "30" }, now);
  assert.equal([asks.kind, asks.retryAfterMs], ["throttled", 30_000]);
  assert.is(classify({ kind: "response", status: 502, retryAfter: "30" }, now).kind, "transient");
});

test("a step before sending leaves nothing unknown", () => {
  assert.is(classify({ kind: "response", status: 504, nothingSent: true }, now).kind, "transient");
  const verdict = classify({ kind: "failure", code: "ECONNRESET", connecting: true, detail: "no draft" }, now);
  assert.equal([verdict.kind, verdict.reason], ["transient", "no draft"]);
});

test("a provider's step may have a code of its own", () => {
  const verdict = classify({ kind: "response", status: 401, code: "login_invalid_client" }, now);
  assert.equal([verdict.kind, verdict.code], ["permanent", "login_invalid_client"]);
});

const replies: [reply: number, step: SmtpStep, text: string, kind: Verdict["kind"], reason: RegExp][] = [
  [250, "message", "2.0.0 Ok: queued as 4B2C", "accepted", /^The relay accepted the mail$/],
  [421, "connection", "too many connections", "transient", /^The relay does not serve us for now: too many/],
  [421, "message", "4.3.2 shutting down", "transient", /^The relay refuses the message for now: 4\.3\.2/],
  [554, "connection", "no SMTP service here", "permanent", /^The relay does not serve us: no SMTP/],
  [454, "login", "4.7.0 try again later", "transient", /^The relay refuses the sign-in for now: 4\.7\.0/],
  [432, "login", "4.7.12 a password transition is needed", "transient", /for now/],
  [535, "login", "5.7.8 credentials invalid", "permanent", /^The relay refuses the sign-in: 5\.7\.8/],
  [530, "envelope", "5.7.0 sign in first", "permanent", /^The relay refuses the sender or the recipients: 5\.7\.0/],
  [
    450,
    "envelope",
    "4.2.0 greylisted",
    "transient",
    /^The relay refuses the sender or the recipients for now: 4\.2\.0/,
  ],
  [451, "envelope", "4.7.1 greylisting in action", "transient", /for now/],
  [452, "envelope", "4.3.1 no space", "transient", /for now/],
  [550, "envelope", "5.1.1 no such user", "permanent", /: 5\.1\.1 no such user$/],
  [553, "envelope", "5.1.3 bad address syntax", "permanent", /: 5\.1\.3/],
  [451, "message", "4.3.0 a fault of its own", "transient", /^The relay refuses the message for now: 4\.3\.0/],
  [452, "message", "4.3.1 no space", "transient", /for now/],
  [552, "message", "5.3.4 too large", "permanent", /^The relay refuses the message: 5\.3\.4/],
  [554, "message", "5.7.1 looks like spam", "permanent", /^The relay refuses the message: 5\.7\.1/],
  [503, "envelope", "bad sequence", "permanent", /bad sequence/],
];
for (const [reply, step, detail, kind, reason] of replies) {
  test(`SMTP ${reply} to the ${step} (${detail}) is ${kind}`, () => {
    const verdict = classify({ kind: "smtp", reply, step, detail }, now);
    assert.is(verdict.kind, kind);
    assert.is(verdict.code, `smtp_${reply}`);
    assert.match(verdict.reason, reason);
    assert.is(verdict.remark, undefined);
  });
}

test("a relay that takes a mail for some has taken it, and what it refused is told without addresses", () => {
  const some = (...refused: number[]) => classify({ kind: "smtp", reply: 250, step: "message", refused }, now);
  assert.is(some(550).kind, "accepted");
  assert.is(some(550).remark, "Not for all: 1 recipient was refused (smtp_550)");
  assert.is(some(550, 450, 550).remark, "Not for all: 3 recipients were refused (smtp_550, smtp_450)");
  assert.is(some().remark, undefined);
});

test("addresses in a provider's words are not legible in the reason", () => {
  const detail = '5.1.1 <ann.lee@example.com>: no such user ("ann.lee@example.com")';
  const verdict = classify({ kind: "smtp", reply: 550, step: "envelope", detail }, now);
  assert.match(verdict.reason, '5.1.1 <an***@example.com>: no such user ("an***@example.com")');
  const quoted = classify({ kind: "response", status: 400, detail: "no 'o'brien@example.com'" }, now);
  assert.match(quoted.reason, "no 'o'***@example.com'");
  assert.not.match(classify({ kind: "response", status: 400, detail: "[bob@example.com] twice" }, now).reason, "bob@");
});

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

const words = fc.option(fc.string({ unit: "binary", maxLength: 60 }), { nil: undefined });
const retryAfters = fc.oneof(
  words,
  fc.maxSafeInteger().map(String),
  fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constantFrom("-1", "1e9", "0x10", "Infinity", "NaN", "1.5", " ", "7, 8", "9".repeat(400)),
);
const responses = fc.record({
  kind: fc.constant("response" as const),
  status: fc.integer({ min: 100, max: 999 }),
  retryAfter: retryAfters,
  detail: words,
  throttled: fc.boolean(),
  nothingSent: fc.boolean(),
});
const failureCodes = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom(...failures.map(([code]) => code)));
const answers: fc.Arbitrary<ProviderAnswer> = fc.oneof(
  responses,
  fc.record({
    kind: fc.constant("smtp" as const),
    reply: fc.integer({ min: 200, max: 599 }),
    step: fc.constantFrom<SmtpStep>("connection", "login", "envelope", "message"),
    detail: words,
    refused: fc.array(fc.integer({ min: 400, max: 599 }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant("failure" as const), code: failureCodes, connecting: fc.boolean() }),
);
const runs = { seed: 20_260_120, numRuns: 5000 };

test("every answer has one verdict, with a reason, and a time to wait exactly where it is to be waited", () => {
  fc.assert(
    fc.property(answers, fc.date({ noInvalidDate: true }), (answer, at) => {
      const { kind, code, reason, retryAfterMs } = classify(answer, at.getTime());
      assert.ok(["accepted", "transient", "throttled", "permanent", "unknown"].includes(kind));
      assert.ok(reason.length > 10 && (code !== "" || answer.kind === "failure"));
      assert.is(retryAfterMs !== undefined, kind === "throttled");
      if (retryAfterMs !== undefined) assert.ok(retryAfterMs >= 1000 && retryAfterMs <= 3_600_000, `${retryAfterMs}`);
    }),
    runs,
  );
});

test("2xx alone is accepted, 4xx but for the known ones is never tried again", () => {
  fc.assert(
    fc.property(responses, (answer) => {
      const { kind } = classify(answer, now);
      const { status, throttled } = answer;
      assert.is(kind === "accepted", status >= 200 && status <= 299);
      if (status >= 400 && status <= 499 && !throttled && status !== 408 && status !== 429)
        assert.is(kind, "permanent");
      if (answer.nothingSent) assert.is.not(kind, "unknown");
    }),
    runs,
  );
});

test("a failure is never taken for a success, nor for a refusal", () => {
  fc.assert(
    fc.property(failureCodes, fc.boolean(), (code, connecting) => {
      const { kind } = classify({ kind: "failure", code, connecting }, now);
      assert.ok(kind === "transient" || (kind === "unknown" && !connecting));
    }),
    runs,
  );
});

test("no address in a provider's words is whole in the reason", () => {
  fc.assert(
    fc.property(words, fc.emailAddress(), words, (before = "", address, after = "") => {
      const detail = `${before} <${address}>: ${after}`;
      for (const kind of ["response", "smtp"] as const) {
        const answer = kind === "smtp" ? { kind, reply: 550, step: "envelope" as const } : { kind, status: 400 };
        const local = address.slice(0, address.lastIndexOf("@"));
        const shown = classify({ ...answer, detail }, now).reason;
        assert.ok(local.length < 4 || !shown.includes(address), shown);
      }
    }),
    runs,
  );
});

test.run();
