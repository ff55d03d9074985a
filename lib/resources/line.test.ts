import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startLine, type LineStandIn } from "../../ops/e2e/stand-ins/line.ts";
import { lineUser, lineUserId } from "../../ops/e2e/stand-ins/line-webhook.ts";
import { lineOutcome, type LineOutcome } from "../crm/line/outcome.ts";
import { openLine, type Line, type LineAnswer } from "./line.ts";

const test = suite("LINE's client");
const { signal } = new AbortController();
const hello = [{ type: "text" as const, text: "早安 ✓" }];
let standIn: LineStandIn;
let line: Line;

test.before(async () => {
  standIn = await startLine();
  line = openLine({ token: standIn.token, baseUrl: standIn.url });
});
test.before.each(() => standIn.reset());
test.after(async () => {
  await line.close();
  await standIn.close();
});

const outcomeOf = (answer: LineAnswer, recipients = 1): LineOutcome =>
  lineOutcome(answer, { recipients, keyed: true }, 0);
const push = (to: string, key: string = randomUUID()) => line.push(to, hello, key, signal);

test("a push reaches its user once, however often it is repeated with its key", async () => {
  const [to, key] = [lineUserId(), randomUUID()];
  const first = outcomeOf(await push(to, key));
  const second = outcomeOf(await push(to, key));
  assert.is(first.kind, "accepted");
  assert.equal(second, { ...first, code: "http_409", again: true });
  assert.equal(
    standIn.ledger.received(to).map(({ messages, retryKey }) => ({ messages, retryKey })),
    [{ messages: hello, retryKey: key }],
  );
});

test("messages that are JSON already go as they are", async () => {
  const to = lineUserId();
  const json = '[{"type":"text","text":"\\u65e9\\u5b89"}]';
  assert.is(outcomeOf(await line.push(to, { json }, randomUUID(), signal)).kind, "accepted");
  assert.equal(standIn.ledger.received(to)[0]?.messages, [{ type: "text", text: "早安" }]);
});

test("a multicast reaches 500, counts them in its unit, and names those whom LINE does not know", async () => {
  const all = Array.from({ length: 500 }, (_, index) => lineUserId(index));
  const [third = "", blocked = ""] = [all[2], all[7]];
  standIn.unknown.add(third);
  standIn.blocked.add(blocked);
  const wrong = outcomeOf(await line.multicast(all, hello, randomUUID(), signal), 500);
  assert.is(wrong.kind, "bad_ids");
  assert.equal(wrong.kind === "bad_ids" && wrong.indexes, [2]);
  assert.is(standIn.ledger.users, 0);

  const rest = all.filter((id) => id !== third);
  const answer = outcomeOf(await line.multicast(rest, hello, randomUUID(), signal, "campaign_7"), 499);
  assert.is(answer.kind, "accepted");
  assert.is(standIn.ledger.users, 498, "who has blocked the account gets nothing, and nobody is told");
  assert.is(standIn.ledger.deliveries[0]?.unit, "campaign_7");
});

test("a reply goes to whom the token is of, once, and is free", async () => {
  const user = lineUser(undefined, standIn.replyToken);
  const token = String(user.says("早安")["replyToken"]);
  assert.is(outcomeOf(await line.reply(token, hello)).kind, "accepted");
  assert.is(standIn.ledger.count(user.id), 1);
  assert.is(standIn.quota.used, 0);
  assert.is(outcomeOf(await line.reply(token, hello), 0).kind, "permanent");
});

test("the quota is LINE's, and what goes over it is refused", async () => {
  assert.equal(await line.quota(), { limit: null, used: 0, remaining: null });
  standIn.quota.limit = 2;
  await push(lineUserId());
  assert.equal(await line.quota(), { limit: 2, used: 1, remaining: 1 });
  await push(lineUserId());
  assert.is(outcomeOf(await push(lineUserId())).kind, "quota");
  standIn.quota.limit = 1;
  assert.equal(await line.quota(), { limit: 1, used: 2, remaining: 0 });
});

test("a profile is told of friends only", async () => {
  const [friend, stranger] = [lineUserId(), lineUserId()];
  standIn.profiles.set(friend, { userId: friend, displayName: "王小明", pictureUrl: "https://profile.example/1" });
  standIn.blocked.add(stranger);
  assert.is((await line.profile(friend))?.displayName, "王小明");
  assert.is(await line.profile(stranger), undefined);
  assert.is(await line.profile("../message/quota"), undefined);
});

test("insight is what LINE tells; what it does not tell stays null", async () => {
  const untold = await line.unitInsight("campaign_7", "20260101", "20260131");
  assert.is(untold.overview.uniqueImpression, null);
  const overview = {
    uniqueImpression: 40,
    uniqueClick: 30,
    uniqueMediaPlayed: null,
    uniqueMediaPlayed100Percent: null,
  };
  standIn.insights.set("campaign_7", { overview, messages: [], clicks: [] });
  assert.equal((await line.unitInsight("campaign_7", "20260101", "20260131")).overview, overview);
  assert.is(await line.messageInsight("none"), undefined);
});

test("a wrong token, LINE's faults and its rate are answers, not errors", async () => {
  const other = openLine({ token: "wrong", baseUrl: standIn.url });
  assert.is(outcomeOf(await other.push(lineUserId(), hello, randomUUID(), signal)).kind, "misconfigured");
  const told = await other.quota().then(
    () => "told",
    (error: unknown) => error,
  );
  assert.is(told instanceof Error && told.message, "LINE did not tell: http_401");
  await other.close();
  standIn.next(
    "push",
    { kind: "status", status: 500 },
    { kind: "status", status: 429, headers: { "retry-after": "3" } },
  );
  assert.is(outcomeOf(await push(lineUserId())).kind, "transient");
  const slow = outcomeOf(await push(lineUserId()));
  assert.is(slow.kind === "transient" && slow.retryAfterMs, 3000);
});

test("a cut connection leaves open whether it was taken; the key settles it", async () => {
  const [lost, taken] = [lineUserId(), lineUserId()];
  const [lostKey, takenKey] = [randomUUID(), randomUUID()];
  standIn.next("push", { kind: "reset", when: "read" }, { kind: "reset", when: "accepted" });
  assert.is(outcomeOf(await push(lost, lostKey)).kind, "unknown");
  assert.is(outcomeOf(await push(taken, takenKey)).kind, "unknown");
  const again = [outcomeOf(await push(lost, lostKey)), outcomeOf(await push(taken, takenKey))];
  assert.equal(
    again.map((outcome) => outcome.kind === "accepted" && outcome.again),
    [false, true],
  );
  assert.equal([lost, taken].map(standIn.ledger.count), [1, 1]);
});

test("one who does not wait any longer does not know either", async () => {
  standIn.next("push", { kind: "silence", when: "accepted" });
  const stop = new AbortController();
  const answer = line.push(lineUserId(), hello, randomUUID(), stop.signal);
  while (standIn.ledger.copies === 0) await new Promise(setImmediate);
  stop.abort();
  assert.is(outcomeOf(await answer).kind, "unknown");
});

test("LINE that falls silent is given up, and nobody knows", async () => {
  standIn.always("push", { kind: "silence" });
  const hasty = openLine({ token: standIn.token, baseUrl: standIn.url, silenceMs: 100 });
  assert.is(outcomeOf(await hasty.push(lineUserId(), hello, randomUUID(), signal)).kind, "unknown");
  await hasty.close();
});

test("where nobody listens, nothing was sent", async () => {
  const closed = await startLine();
  await closed.close();
  const nobody = openLine({ token: "x", baseUrl: closed.url });
  assert.is(outcomeOf(await nobody.push(lineUserId(), hello, randomUUID(), signal)).kind, "transient");
  await nobody.close();
});

test.run();
