import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lineOutcome, type LineOutcome, type Sent } from "./outcome.ts";

const test = suite("LINE's answers");
const now = Date.parse("2026-01-01T00:00:00Z");

function of(status: number, body: unknown, given: Partial<Sent> & { retryAfter?: string } = {}): LineOutcome {
  const { retryAfter, ...sent } = given;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const ids = { requestId: "this", acceptedRequestId: status === 409 ? "that" : null };
  return lineOutcome(
    { kind: "response", status, ...ids, retryAfter, text },
    { recipients: 3, keyed: true, ...sent },
    now,
  );
}

const badIds = (body: unknown, recipients = 3) => {
  const outcome = of(400, body, { recipients });
  return outcome.kind === "bad_ids" ? outcome.indexes : outcome.kind;
};

test("200 is accepted", () => {
  assert.equal(of(200, {}), { kind: "accepted", code: "http_200", again: false, requestId: "this" });
});

test("409 says that the same retry key was accepted before, and by which request", () => {
  const body = { message: "The retry key is already accepted", sentMessages: [{ id: "1" }] };
  assert.equal(of(409, body), { kind: "accepted", code: "http_409", again: true, requestId: "that" });
  assert.is(of(409, body, { keyed: false }).kind, "permanent");
});

test("429 is the month's limit or the rate's", () => {
  assert.is(of(429, { message: "You have reached your monthly limit." }).kind, "quota");
  assert.is(of(429, { message: "You have exceeded the target limit for additional messages." }).kind, "quota");
  const rate = of(429, { message: "The API rate limit has been exceeded. Try again later." });
  assert.equal(rate, {
    kind: "transient",
    code: "http_429",
    reason: "LINE asks to slow down: The API rate limit has been exceeded. Try again later.",
    retryAfterMs: null,
  });
  assert.is(of(429, "<html>Too many</html>").kind, "transient");
});

test("Retry-After is taken in seconds or as a date, within reason", () => {
  const wait = (retryAfter: string) => {
    const outcome = of(429, {}, { retryAfter });
    return outcome.kind === "transient" ? outcome.retryAfterMs : outcome.kind;
  };
  assert.is(wait("7"), 7000);
  assert.is(wait("Thu, 01 Jan 2026 00:00:30 GMT"), 30_000);
  assert.is(wait("Wed, 31 Dec 2025 00:00:00 GMT"), 0);
  assert.is(wait("999999"), 3_600_000);
  assert.is(wait("soon"), null);
});

test("a fault of LINE's own is tried again with its key; without one nobody knows", () => {
  for (const status of [500, 502, 503, 504, 408]) {
    assert.is(of(status, "").kind, "transient", String(status));
    assert.is(of(status, "", { keyed: false, recipients: 0 }).kind, "unknown", String(status));
  }
});

test("a token that LINE does not take, or an address that is not LINE's, is for an operator", () => {
  for (const status of [401, 403, 301])
    assert.is(of(status, { message: "Authentication failed" }).kind, "misconfigured");
});

test("a connection that failed before the request had left says nothing of it; after that it may have arrived", () => {
  const sent = { recipients: 1, keyed: true };
  const failed = (progress: "connecting" | "sending" | "sent") =>
    lineOutcome({ kind: "failure", code: "ECONNRESET", progress }, sent, now).kind;
  assert.is(failed("connecting"), "transient");
  assert.is(failed("sending"), "transient");
  assert.is(failed("sent"), "unknown");
});

test("recipients that LINE refuses are named by their place", () => {
  const detail = (...properties: string[]) => ({
    message: `The request body has ${properties.length} error(s)`,
    details: properties.map((property) => ({ message: "Invalid", property })),
  });
  assert.equal(badIds(detail("to[1]")), [1]);
  assert.equal(badIds(detail("to[2]", "to[0]", "to[2]")), [0, 2]);
  assert.equal(badIds(detail("/to/1")), [1]);
  assert.equal(badIds({ message: "The property, 'to[1]', in the request body is invalid (line: -, column: -)" }), [1]);
  assert.equal(badIds({ message: "Bad", details: [{ message: "The property, 'to[2]', is invalid" }] }), [2]);
});

test("where LINE names no place, it is the only one or any of them", () => {
  const whole = { message: "The property, 'to', in the request body is invalid (line: -, column: -)" };
  assert.equal(badIds(whole, 1), [0]);
  assert.equal(badIds(whole, 3), []);
  assert.equal(badIds({ message: "Failed to send messages" }, 1), [0]);
  assert.equal(badIds({ message: "Failed to send messages" }, 3), []);
  assert.equal(badIds({ message: "1 error", details: [{ message: "May not be empty", property: "to" }] }, 1), [0]);
});

test("a place that was never asked for is none", () => {
  const details = [{ message: "Invalid", property: "to[3]" }];
  assert.equal(badIds({ message: "1 error", details }), []);
});

test("what is wrong with the message is wrong for everybody", () => {
  const details = [{ property: "to[1]" }, { property: "messages[0].text", message: "May not be empty" }];
  assert.is(badIds({ message: "2 errors", details }), "permanent");
  assert.is(badIds({ message: "A message (messages[0]) in the request body is invalid" }), "permanent");
  assert.is(badIds({ message: "x", details: [{ property: "tool[1]" }] }), "permanent");
  assert.is(of(400, { message: "Invalid reply token" }, { recipients: 0, keyed: false }).kind, "permanent");
  for (const status of [404, 410, 413, 415]) assert.is(of(status, {}).kind, "permanent");
});

test("no user's id comes into a reason", () => {
  const id = `U${"0123456789abcdef".repeat(2)}`;
  const outcome = of(400, { message: `The user ${id} is not yours` });
  assert.not.match(JSON.stringify(outcome), id);
});

test("an answer that is no answer of LINE's has no words", () => {
  for (const body of ["", "null", "[]", "7", '{"message":7,"details":{}}', '{"details":[null,7]}']) {
    assert.is(of(400, body).kind, "permanent", body);
  }
});

test.run();
