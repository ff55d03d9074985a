/** Messages: what was said with members, and what users write to them. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { dataOf, Exactly, PageOf, problemOf, startCrm, type Crm, type CrmPerson } from "./crm.ts";
import { lineUser, lineUserId, sendWebhook } from "./stand-ins/line-webhook.ts";
import { startLine, type LineStandIn } from "./stand-ins/line.ts";
import { stopAll } from "./system.ts";

const story = suite("Messages");

let line: LineStandIn;
let crm: Crm;
let service: CrmPerson;

story.before(async () => {
  line = await startLine();
  crm = await startCrm({ env: { ...line.env, FUNCTIONS: "health,crm/line/*,crm/messages/*" } });
  service = await crm.person("customer_service");
});
story.before.each(() => line.reset());
story.after(async () => {
  await stopAll();
  await Promise.all([crm.close(), line.close()]);
});

const OrNull = <T extends ReturnType<typeof Type.String>>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({ format: "date-time" });
const shape = {
  id: Type.Integer(),
  member: Exactly({ id: Type.Integer(), name: OrNull(Type.String()) }),
  content: Type.String(),
  direction: Type.String(),
  message_type: Type.String(),
  sender_type: OrNull(Type.String()),
  read_at: OrNull(Time),
  created_at: Time,
};
const Message = Exactly(shape);
const Unsent = Exactly({ ...shape, status: Type.String(), scheduled_at: Type.Optional(Time) });
const sentShape = {
  id: Type.Integer(),
  member_id: Type.Integer(),
  content: Type.String(),
  direction: Type.Literal("outgoing"),
  created_at: Time,
};
const Sent = Exactly(sentShape);
const NotYet = Exactly({ ...sentShape, status: Type.String(), scheduled_at: Type.Optional(Time) });

async function addMember(columns: Readonly<Record<string, string | null>> = {}): Promise<{ id: number; uid: string }> {
  const uid = lineUserId();
  const row = { line_uid: uid, source: "line", last_name: "王", first_name: "小明", ...columns };
  const places = Object.keys(row).map((_name, index) => `$${index + 1}`);
  const sql = `INSERT INTO members (${Object.keys(row).join()}) VALUES (${places.join()}) RETURNING id::int`;
  const { rows } = await crm.database.query(sql, Object.values(row));
  return { id: rows[0].id, uid };
}

const write = (id: number, more: object = {}, token = service.token) =>
  crm.post("/messages", { member_id: id, content: "感謝您的詢問...", message_type: "text", ...more }, { token });
const conversation = async (id: number) =>
  dataOf(
    await crm.get(`/messages/conversation/${id}`, { token: service.token }),
    PageOf(Type.Union([Message, Unsent])),
  );

async function says(uid: string, text: string): Promise<void> {
  const user = lineUser(uid, line.replyToken);
  const event = user.says(text);
  assert.is((await sendWebhook({ url: `${crm.system.url}/webhooks/line`, secret: line.secret }, event)).status, 200);
  const sql = "SELECT FROM line_events WHERE event_id = $1 AND state = 'handled'";
  const isHandled = async () => (await crm.database.query(sql, [event["webhookEventId"]])).rowCount === 1;
  await eventually(isHandled, { what: "it is handled", within: 60_000 });
}

story("a message that is sent looks as in the document, and the member gets it", async () => {
  const { id, uid } = await addMember();
  const answer = await write(id, { scheduled_at: null });
  assert.is(JSON.parse(answer.text).message, "Message sent successfully");
  const sent = dataOf(answer, Sent);
  assert.equal([sent.member_id, sent.content], [id, "感謝您的詢問..."]);
  assert.equal(line.ledger.received(uid)[0]?.messages, [{ type: "text", text: "感謝您的詢問..." }]);
  const { items } = await conversation(id);
  assert.equal(
    items.map(({ member, direction, message_type, sender_type }) => [
      member.name,
      direction,
      message_type,
      sender_type,
    ]),
    [["王小明", "outgoing", "text", "manual"]],
  );
});

story("the list looks as in the document, and is narrowed by member, direction and day", async () => {
  const { id, uid } = await addMember();
  await says(uid, "您好,請問平日有商務房的優惠嗎?");
  dataOf(await write(id), Sent);
  const list = async (query: string) =>
    dataOf(await crm.get(`/messages?${query}`, { token: service.token }), PageOf(Message));
  const incoming = await list(`member_id=${id}&direction=incoming`);
  assert.equal([incoming.total, incoming.page, incoming.page_size, incoming.total_pages], [1, 1, 50, 1]);
  const [message] = incoming.items;
  assert.equal([message?.direction, message?.sender_type, message?.read_at], ["incoming", null, null]);
  assert.is((await list(`member_id=${id}`)).total, 2);
  assert.is((await list(`member_id=${id}&page_size=1&page=2`)).items[0]?.direction, "incoming");
  await crm.database.query(
    "UPDATE messages SET created_at = '2025-10-02T15:59:59Z' WHERE member_id = $1 AND direction = 'incoming'",
    [id],
  );
  assert.is((await list(`member_id=${id}&start_date=2025-10-02&end_date=2025-10-02`)).total, 1);
  assert.is((await list(`member_id=${id}&start_date=2025-10-03&end_date=2025-10-03`)).total, 0);
  assert.ok((await list("start_date=2025-10-02&end_date=2025-10-02")).total >= 1);
});

story("whoever reads a conversation has read what the member wrote", async () => {
  const { id, uid } = await addMember();
  await says(uid, "first");
  await says(uid, "second");
  const { items } = await conversation(id);
  assert.equal(
    items.map(({ content, read_at }) => [content, read_at === null]),
    [
      ["second", false],
      ["first", false],
    ],
  );
  problemOf(await crm.get("/messages/conversation/999999999", { token: service.token }), 404);
});

story("campaigns a member got are in his conversation", async () => {
  const { id } = await addMember();
  const { rows } = await crm.database.query(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', '中秋特別優惠') RETURNING id)
     INSERT INTO campaigns (title, template_id, target_audience, status, sent_at, sent_template)
     SELECT 'c', id, '{"type":"all"}', 'sent', now(), '{"type":"text","content":"中秋特別優惠"}' FROM template RETURNING id`,
  );
  await crm.database.query(
    `INSERT INTO campaign_batches (campaign_id, batch, first_member, last_member, size, state, sent_at)
     VALUES ($1, 1, $2, $2, 1, 'sent', now())`,
    [rows[0].id, id],
  );
  await crm.database.query("INSERT INTO campaign_recipients (campaign_id, member_id, batch) VALUES ($1, $2, 1)", [
    rows[0].id,
    id,
  ]);
  const { items } = await conversation(id);
  assert.equal(
    items.map(({ content, sender_type }) => [content, sender_type]),
    [["中秋特別優惠", "campaign"]],
  );
});

story("members who cannot be reached, and messages that say nothing, are refused by field", async () => {
  const fieldOf = async (id: number, more: object = {}) => problemOf(await write(id, more), 400).errors[0]?.field;
  const noLine = await addMember({ line_uid: null, source: "crm" });
  const blocked = await addMember({ blocked_at: new Date().toISOString() });
  const { id } = await addMember();
  assert.is(await fieldOf(noLine.id), "member_id");
  assert.is(await fieldOf(blocked.id), "member_id");
  problemOf(await write(999_999_999), 404);
  assert.is(await fieldOf(id, { content: "  " }), "content");
  assert.is(await fieldOf(id, { content: "nul \u0000" }), "content");
  assert.is(await fieldOf(id, { content: "http://hotel.example/a.jpg", message_type: "image" }), "content");
  assert.is(await fieldOf(id, { message_type: "template" }), "template_id");
  assert.is(await fieldOf(id, { content: "x".repeat(5001) }), "content");
  problemOf(await write(id, { message_type: "template", template_id: 999_999 }), 404);
  assert.is(line.ledger.deliveries.length, 0);
});

story("customer service and admins write messages, marketing does not", async () => {
  const marketing = await crm.person("marketing");
  const { id } = await addMember();
  problemOf(await write(id, {}, marketing.token), 403);
  problemOf(await crm.get("/messages", { token: marketing.token }), 403);
  dataOf(await write(id, {}, crm.admin.token), Sent);
});

story("images and templates are sent, too", async () => {
  const { id, uid } = await addMember();
  const { rows } = await crm.database.query(
    `INSERT INTO message_templates (type, content, buttons) VALUES ('text_button', '看看', $1) RETURNING id::int`,
    [JSON.stringify([{ label: "官網", action_url: "https://hotel.example/" }])],
  );
  dataOf(await write(id, { message_type: "image", content: "https://hotel.example/a.jpg" }), Sent);
  const sent = dataOf(await write(id, { message_type: "template", template_id: rows[0].id, content: "" }), Sent);
  assert.is(sent.content, "看看");
  const types = line.ledger.received(uid).flatMap(({ messages = [] }) => messages.map(({ type }) => type));
  assert.equal(types, ["image", "template"]);
});

story("a scheduled message is sent when it is due, once", async () => {
  const { id, uid } = await addMember();
  const due = new Date(Date.now() + 3_600_000);
  const waiting = dataOf(await write(id, { scheduled_at: due.toISOString() }), NotYet);
  assert.equal([waiting.status, waiting.scheduled_at], ["scheduled", due.toISOString()]);
  const far = dataOf(await write(id, { scheduled_at: "2027-09-01T10:00:00+08:00", content: "far" }), NotYet);
  assert.is(far.scheduled_at, "2027-09-01T02:00:00.000Z");
  assert.is(line.ledger.count(uid), 0);
  await crm.database.query("UPDATE message_deliveries SET due_at = now() WHERE message_id = $1", [waiting.id]);
  await eventually(() => line.ledger.count(uid) === 1, { what: "it is sent", within: 60_000 });
  const isShown = async () =>
    (await conversation(id)).items.some((item) => item.id === waiting.id && !("status" in item));
  await eventually(isShown, { what: "it is shown as sent", within: 60_000 });
  const { items } = await conversation(id);
  const sent = items.find((item) => item.id === waiting.id);
  assert.ok(sent && sent.created_at > waiting.created_at, "it is shown at the time that it was sent");
  assert.is(line.ledger.count(uid), 1);
});

story("while LINE is away a message is pending, and arrives once when it is back", async () => {
  const { id, uid } = await addMember();
  line.always("push", { kind: "status", status: 503 });
  const pending = dataOf(await write(id), NotYet);
  assert.is(pending.status, "pending");
  const [shown] = (await conversation(id)).items;
  assert.is(shown && "status" in shown && shown.status, "pending");
  line.always("push", undefined);
  await eventually(() => line.ledger.count(uid) === 1, { what: "it arrives", within: 60_000 });
  const keys = new Set(line.requests.filter(({ step }) => step === "push").map(({ retryKey }) => retryKey));
  assert.is(keys.size, 1);
});

story("a message whose answer was lost is not sent twice", async () => {
  const { id, uid } = await addMember();
  line.next("push", { kind: "reset", when: "accepted" });
  assert.is(dataOf(await write(id), NotYet).status, "pending");
  const isSent = async () => !("status" in ((await conversation(id)).items[0] ?? {}));
  await eventually(isSent, { what: "it is known to be sent", within: 60_000 });
  assert.is(line.ledger.count(uid), 1);
});

story("a message whose sender died is taken up by another one, under the same key", async () => {
  const { id, uid } = await addMember();
  const { id: message } = dataOf(await write(id), Sent);
  await crm.database.query(
    `UPDATE message_deliveries SET state = 'sending', lease_until = now() - interval '1 second',
            line_messages = '[{"type":"text","text":"感謝您的詢問..."}]' WHERE message_id = $1`,
    [message],
  );
  const sql = "SELECT FROM message_deliveries WHERE message_id = $1 AND state = 'sent'";
  const isSettled = async () => (await crm.database.query(sql, [message])).rowCount === 1;
  await eventually(isSettled, { what: "it is settled", within: 60_000 });
  assert.is(line.ledger.count(uid), 1);
});

story("what LINE refuses for good is said, and shown as failed", async () => {
  const { id, uid } = await addMember();
  line.unknown.add(uid);
  problemOf(await write(id), 400);
  const [shown] = (await conversation(id)).items;
  assert.is(shown && "status" in shown && shown.status, "failed");
  const other = await addMember();
  line.quota.limit = 0;
  problemOf(await write(other.id), 409);
});

story("many may write at once, and each message arrives once", async () => {
  const { id, uid } = await addMember();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => write(id, { content: `message ${index}` })),
  );
  assert.is(new Set(answers.map((answer) => dataOf(answer, Sent).id)).size, 20);
  assert.is(line.ledger.count(uid), 20);
});

story("months have their partitions ahead, also where messages came in before them", async () => {
  const { id } = await addMember();
  await crm.database.query(
    `INSERT INTO messages (member_id, content, direction, message_type, created_at)
     VALUES ($1, 'early', 'incoming', 'text', '2031-05-10')`,
    [id],
  );
  const place = async () =>
    (await crm.database.query("SELECT tableoid::regclass::text AS name FROM messages WHERE content = 'early'")).rows;
  assert.equal(await place(), [{ name: "messages_other" }]);
  const { rows } = await crm.database.query(
    "SELECT make_messages_partition('2031-05-01') AS made, make_messages_partition('2031-05-31') AS again",
  );
  assert.equal(rows, [{ made: true, again: false }]);
  assert.equal(await place(), [{ name: "messages_2031_05" }]);
});

story("the log tells nothing of what was written", async () => {
  const { stdout, stderr } = await crm.system.output();
  for (const text of ["感謝您的詢問", "商務房", line.token]) assert.not.ok((stdout + stderr).includes(text), text);
});

story.run();
