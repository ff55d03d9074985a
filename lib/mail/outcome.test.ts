import { test } from "uvu";
import * as assert from "uvu/assert";
import { classify, type ProviderAnswer, type Verdict } from "../senders/classify.ts";
import { retryLadderMs } from "./mail.ts";
import { asksForEase, decide, type Next } from "./outcome.ts";

const verdict = (kind: Verdict["kind"], retryAfterMs?: number): Verdict => ({
  kind,
  code: "x",
  reason: "x",
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

const after = (kind: Verdict["kind"], retries: number, unknownOutcome: "retry" | "hold" = "retry"): Next =>
  decide(verdict(kind, kind === "throttled" ? 7000 : undefined), retries, {
    ladderMs: retryLadderMs(5),
    unknownOutcome,
  });

const queued = { status: "queued" as const };
const failed = { status: "failed" as const, delayMs: 0, byLadder: false };

const cases: [story: string, next: Next, expected: Next][] = [
  [
    "accepted: sent",
    after("accepted", 2),
    { status: "sent", retryCount: 2, event: "sent", delayMs: 0, byLadder: false },
  ],
  [
    "permanent: failed at once, with retries left",
    after("permanent", 0),
    { ...failed, retryCount: 0, event: "failed" },
  ],
  [
    "throttled: again when the provider said, and no retry is used up",
    after("throttled", 3),
    { ...queued, retryCount: 3, event: "throttled", delayMs: 7000, byLadder: false },
  ],
  [
    "throttled with all retries used up: still again",
    after("throttled", 5),
    { ...queued, retryCount: 5, event: "throttled", delayMs: 7000, byLadder: false },
  ],
  [
    "unknown, policy retry: up the ladder under its own name",
    after("unknown", 0),
    { ...queued, retryCount: 1, event: "outcome_unknown", delayMs: 1000, byLadder: true },
  ],
  [
    "unknown, policy retry, ladder used up: failed under its own name",
    after("unknown", 5),
    { ...failed, retryCount: 5, event: "outcome_unknown" },
  ],
  ["unknown, policy hold: failed", after("unknown", 0, "hold"), { ...failed, retryCount: 0, event: "outcome_unknown" }],
  [
    "transient under policy hold: up the ladder, for nothing was sent",
    after("transient", 0, "hold"),
    { ...queued, retryCount: 1, event: "retry", delayMs: 1000, byLadder: true },
  ],
];
for (const [story, next, expected] of cases) test(story, () => assert.equal(next, expected));

test("transient: 1, 2, 4, 8, 16 seconds, then failed", () => {
  const climb = Array.from({ length: 6 }, (_, retries) => after("transient", retries));
  assert.equal(
    climb.map(({ status, retryCount, delayMs, event }) => [status, retryCount, delayMs, event]),
    [
      ["queued", 1, 1000, "retry"],
      ["queued", 2, 2000, "retry"],
      ["queued", 3, 4000, "retry"],
      ["queued", 4, 8000, "retry"],
      ["queued", 5, 16_000, "retry"],
      ["failed", 5, 0, "failed"],
    ],
  );
});

test("without retries a transient answer fails the mail", () => {
  const next = decide(verdict("transient"), 0, { ladderMs: retryLadderMs(0), unknownOutcome: "retry" });
  assert.equal(next, { ...failed, retryCount: 0, event: "failed" });
});

const answers: [story: string, answer: ProviderAnswer, ease: boolean][] = [
  ["accepted", { kind: "response", status: 202 }, false],
  ["refused", { kind: "response", status: 400 }, false],
  ["throttled", { kind: "response", status: 429 }, true],
  ["in trouble", { kind: "response", status: 503 }, true],
  ["silent", { kind: "failure", code: "ETIMEDOUT", connecting: false }, true],
  ["away", { kind: "failure", code: "ECONNREFUSED", connecting: true }, true],
  ["not asked, by a limit of ours", { kind: "held", code: "mailbox_limit", delayMs: 1000, reason: "x" }, false],
];
for (const [story, answer, ease] of answers) {
  test(`a provider that is ${story} ${ease ? "asks for ease" : "does not ask for ease"}`, () => {
    assert.is(asksForEase(answer, classify(answer, 0)), ease);
  });
}

test.run();
