/** Auto responses: as users keep them, and as guests get them. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { dataOf, Exactly, problemOf, startCrm, type Crm } from "./crm.ts";
import { lineUser, lineUserId, redelivered, sendWebhook, type LineEvent } from "./stand-ins/line-webhook.ts";
import { startLine, type LineStandIn } from "./stand-ins/line.ts";
import { stopAll, type Answer } from "./system.ts";

const story = suite("Auto responses");

let line: LineStandIn;
let crm: Crm;

story.before(async () => {
  line = await startLine();
  crm = await startCrm({ env: { ...line.env, FUNCTIONS: "health,crm/line/*,crm/auto-responses/*" } });
});
story.before.each(async () => {
  line.always("reply", undefined);
  line.always("push", undefined);
  for (const { id } of dataOf(await crm.get("/auto-responses"), Type.Array(Type.Object({ id: Type.Integer() })))) {
    await crm.delete(`/auto-responses/${id}`);
  }
});
story.after(async () => {
  await stopAll();
  await Promise.all([crm.close(), line.close()]);
});

const Time = Type.String({ format: "date-time" });
const common = {
  id: Type.Integer(),
  name: Type.String(),
  trigger_type: Type.String(),
  content: Type.String(),
  is_active: Type.Boolean(),
  trigger_count: Type.Integer(),
  success_rate: Type.Number(),
  created_at: Time,
};
const Plain = Exactly(common);
const Keyword = Exactly({
  ...common,
  keywords: Type.Array(Exactly({ id: Type.Integer(), keyword: Type.String(), match_count: Type.Integer() })),
});

const guest = () => lineUser(lineUserId(), line.replyToken);
const send = (...events: LineEvent[]) =>
  sendWebhook({ url: `${crm.system.url}/webhooks/line`, secret: line.secret }, ...events);

const keywordRule = (keywords: string[], content = "目前推出的優惠方案:…") => ({
  name: "優惠方案查詢",
  trigger_type: "keyword",
  content,
  keywords,
});

async function add(rule: object) {
  const answer = await crm.post("/auto-responses", rule);
  return dataOf(answer, Type.Object({ ...common, keywords: Type.Optional(Keyword.properties.keywords) }));
}

/** Sends events, and returns what their guest has been given once all of them are handled. */
async function told(user: { id: string }, ...events: LineEvent[]): Promise<string[]> {
  assert.is((await send(...events)).status, 200);
  await handled(...events);
  return given(user);
}

const given = ({ id }: { id: string }) =>
  line.ledger.received(id).flatMap(({ messages = [] }) => messages.map(({ text, altText }) => String(text ?? altText)));

async function handled(...events: LineEvent[]): Promise<void> {
  const ids = events.map((event) => event["webhookEventId"]);
  const sql = "SELECT count(*)::int AS n FROM line_events WHERE event_id = ANY ($1) AND state = 'handled'";
  const isHandled = async () => (await crm.database.query(sql, [ids])).rows[0].n === new Set(ids).size;
  await eventually(isHandled, { what: "the events are handled", within: 60_000 });
}

async function countsOf(id: number) {
  const { trigger_count, success_rate, keywords } = dataOf(await crm.get(`/auto-responses/${id}`), Keyword);
  return { trigger_count, success_rate, matches: keywords.map(({ match_count }) => match_count) };
}

const patch = (id: number, body: unknown): Promise<Answer> =>
  crm.system.call(`/api/v1/auto-responses/${id}/toggle`, { method: "PATCH", body, token: crm.admin.token });

story("the list is a plain array, as the document shows it", async () => {
  await add({ name: "新好友歡迎訊息", trigger_type: "welcome", content: "歡迎加入力麗飯店...", is_active: true });
  await add(keywordRule(["優惠"]));
  const welcomes = dataOf(await crm.get("/auto-responses?trigger_type=welcome&is_active=true"), Type.Array(Plain));
  assert.equal(
    welcomes.map(({ name, trigger_count, success_rate }) => [name, trigger_count, success_rate]),
    [["新好友歡迎訊息", 0, 0]],
  );
  assert.is(dataOf(await crm.get("/auto-responses"), Type.Array(Type.Unknown())).length, 2);
  assert.equal(dataOf(await crm.get("/auto-responses?is_active=false"), Type.Array(Plain)), []);
});

story("a keyword rule is shown with its keywords, as the document shows it", async () => {
  const { id } = await add({ ...keywordRule(["優惠", "折扣"]), is_active: true });
  const shown = dataOf(await crm.get(`/auto-responses/${id}`), Keyword);
  assert.equal(
    shown.keywords.map(({ keyword, match_count }) => `${keyword} ${match_count}`),
    ["優惠 0", "折扣 0"],
  );
});

story("what is not there is not found; what is wrong is told by field", async () => {
  problemOf(await crm.get("/auto-responses/999999"), 404);
  problemOf(await crm.put("/auto-responses/999999", { name: "x" }), 404);
  problemOf(await crm.delete("/auto-responses/999999"), 404);
  problemOf(await patch(999_999, { is_active: true }), 404);
  const faultsOf = async (body: object) =>
    problemOf(await crm.post("/auto-responses", body), 400).errors.map((e) => e.field);
  assert.equal(await faultsOf({ name: "x", trigger_type: "keyword", content: "y" }), ["keywords"]);
  assert.equal(await faultsOf({ name: "x", trigger_type: "time", content: "y" }), [
    "trigger_time_start",
    "trigger_time_end",
  ]);
  assert.equal(await faultsOf({ name: "x", trigger_type: "welcome" }), ["content"]);
  assert.equal(await faultsOf({ name: "x", trigger_type: "welcome", template_id: 999_999 }), ["template_id"]);
  assert.equal(await faultsOf({ ...keywordRule(["a", " "]), name: "nul \u0000" }), ["name", "keywords[1]"]);
  const timed = {
    name: "x",
    trigger_type: "time",
    content: "y",
    trigger_time_start: "25:00",
    trigger_time_end: "08:00",
  };
  problemOf(await crm.post("/auto-responses", timed), 400);
});

story("only marketing and admins keep them", async () => {
  const [marketing, service] = await Promise.all([crm.person("marketing"), crm.person("customer_service")]);
  problemOf(await crm.get("/auto-responses", { token: service.token }), 403);
  problemOf(await crm.get("/auto-responses", { token: null }), 401);
  dataOf(await crm.get("/auto-responses", { token: marketing.token }), Type.Array(Type.Unknown()));
});

story("a time rule is shown with its window", async () => {
  const rule = {
    name: "夜間",
    trigger_type: "time",
    content: "晚安",
    trigger_time_start: "22:00",
    trigger_time_end: "08:00",
  };
  const Timed = Exactly({ ...common, trigger_time_start: Type.String(), trigger_time_end: Type.String() });
  const shown = dataOf(await crm.post("/auto-responses", rule), Timed);
  assert.equal([shown.trigger_time_start, shown.trigger_time_end], ["22:00:00", "08:00:00"]);
});

story("a guest who follows is welcomed, by his reply token", async () => {
  await add({ name: "welcome", trigger_type: "welcome", content: "歡迎加入" });
  const user = guest();
  assert.equal(await told(user, user.follow()), ["歡迎加入"]);
  assert.is(line.ledger.received(user.id)[0]?.step, "reply");
});

story("a keyword answers and counts, whoever asks, however it is written", async () => {
  const { id } = await add(keywordRule(["WiFi", "停車"], "密碼是 hotel"));
  const [first, second] = [guest(), guest()];
  assert.equal(await told(first, first.says("ＷＩＦＩ的密碼?")), ["密碼是 hotel"]);
  assert.equal(await told(second, second.says("早安")), []);
  assert.equal(await countsOf(id), { trigger_count: 1, success_rate: 100, matches: [1, 0] });
  const { rows } = await crm.database.query(
    `SELECT content, direction, message_type, sender_type FROM messages JOIN members ON members.id = member_id
     WHERE line_uid = $1 AND direction = 'outgoing'`,
    [first.id],
  );
  assert.equal(rows, [{ content: "密碼是 hotel", direction: "outgoing", message_type: "text", sender_type: "auto" }]);
});

story("keywords that stay keep their counts", async () => {
  const { id } = await add(keywordRule(["早餐", "停車"]));
  const user = guest();
  await told(user, user.says("早餐幾點?"));
  const answer = await crm.put(`/auto-responses/${id}`, { keywords: ["早餐 ", "泳池"] });
  const shown = dataOf(answer, Keyword).keywords.map(({ keyword, match_count }) => `${keyword} ${match_count}`);
  assert.equal(shown, ["早餐 1", "泳池 0"]);
});

story("a rule that is switched off, changed or deleted is so from then on", async () => {
  const { id } = await add(keywordRule(["房價"], "三千"));
  const ask = async () => {
    const user = guest();
    return await told(user, user.says("房價"));
  };
  const becomes = (expected: string[]) =>
    eventually(async () => JSON.stringify(await ask()) === JSON.stringify(expected), {
      what: `the answer becomes ${expected.join()}`,
      within: 60_000,
    });
  assert.equal(await ask(), ["三千"]);
  assert.is(dataOf(await patch(id, { is_active: false }), Keyword).is_active, false);
  await becomes([]);
  dataOf(await patch(id, { is_active: true }), Keyword);
  dataOf(await crm.put(`/auto-responses/${id}`, { content: "四千" }), Keyword);
  await becomes(["四千"]);
  assert.is(dataOf(await crm.delete(`/auto-responses/${id}`), Type.Null()), null);
  await becomes([]);
});

story("a time rule answers what no keyword does, pictures too", async () => {
  await add({
    name: "t",
    trigger_type: "time",
    content: "我們稍後回覆",
    trigger_time_start: "00:00",
    trigger_time_end: "00:00",
  });
  await add(keywordRule(["優惠"], "有優惠"));
  const user = guest();
  assert.equal(await told(user, user.says("有優惠嗎")), ["有優惠"]);
  assert.equal(await told(user, user.sends("image")), ["有優惠", "我們稍後回覆"]);
});

story("a template answers, with links of the guest's own", async () => {
  const { rows } = await crm.database.query(
    `INSERT INTO message_templates (type, content, buttons) VALUES ('text_button', '看看', $1) RETURNING id::int`,
    [JSON.stringify([{ label: "官網", action_url: "https://hotel.example/" }])],
  );
  await add({ ...keywordRule(["官網"], ""), template_id: rows[0].id });
  const user = guest();
  await told(user, user.says("官網"));
  assert.match(JSON.stringify(line.ledger.received(user.id)), /"uri":"http:[^"]*\/r\/[\w-]+~\d+~[\w-]{22}"/);
});

story("an event is answered once, however often it comes", async () => {
  await add(keywordRule(["once"], "one"));
  const user = guest();
  const event = user.says("once");
  await Promise.all([event, ...Array.from({ length: 15 }, () => redelivered(event))].map((each) => send(each)));
  await handled(event);
  await told(user, redelivered(event));
  assert.equal(given(user), ["one"]);
});

story("a reply token that has ended makes way for a push", async () => {
  const { id } = await add(keywordRule(["late"], "pushed"));
  const user = guest();
  assert.equal(await told(user, { ...user.says("late"), replyToken: "of yesterday" }), ["pushed"]);
  assert.is(line.ledger.received(user.id)[0]?.step, "push");
  assert.is((await countsOf(id)).success_rate, 100);
});

story("LINE fails for a moment: the answer comes later, once", async () => {
  await add(keywordRule(["busy"], "later"));
  const user = guest();
  line.next("reply", { kind: "status", status: 429, message: "The API rate limit has been exceeded." });
  assert.equal(await told(user, user.says("busy")), ["later"]);
});

story("a reply that may have arrived is not said again in another way", async () => {
  const { id } = await add(keywordRule(["cut"], "maybe"));
  const user = guest();
  line.next("reply", { kind: "reset", when: "accepted" });
  assert.equal(await told(user, user.says("cut")), ["maybe"]);
  assert.is(line.ledger.received(user.id).length, 1);
  assert.is((await countsOf(id)).trigger_count, 1);
});

story("a handler that died between the reply and its record makes no second answer", async () => {
  const { id } = await add(keywordRule(["x"], "y"));
  const user = guest();
  const event = user.says("something else");
  await told(user, event);
  const answer = { line: [{ type: "text", text: "y" }], content: "y", type: "text" };
  const used = { replyToken: "used already", message: { type: "text", text: "x" } };
  await crm.database.query(
    `UPDATE line_events SET state = 'handling', attempt = 1, lease_until = now() - interval '1 second', content = $2,
            answer = $3, answer_state = 'replying', auto_response_id = $4, handled_at = NULL
     WHERE event_id = $1`,
    [event["webhookEventId"], used, answer, id],
  );
  await handled(event);
  assert.equal(given(user), []);
  const { rows } = await crm.database.query("SELECT answer_state FROM line_events WHERE event_id = $1", [
    event["webhookEventId"],
  ]);
  assert.equal(rows, [{ answer_state: "unknown" }]);
});

story("an answer that LINE refuses counts as asked for, and not as given", async () => {
  const { id } = await add(keywordRule(["refused"], "no"));
  line.next("reply", {
    kind: "status",
    status: 400,
    message: "A message (messages[0]) in the request body is invalid",
  });
  const user = guest();
  assert.equal(await told(user, user.says("refused")), []);
  assert.equal(await countsOf(id), { trigger_count: 1, success_rate: 0, matches: [1] });
});

story.run();
