/** LINE's webhook: who is believed, what is kept, and what each event does, once. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { startCrm, type Crm } from "./crm.ts";
import { lineUser, lineUserId, redelivered, sendWebhook, type LineEvent } from "./stand-ins/line-webhook.ts";
import { startLine, type LineStandIn } from "./stand-ins/line.ts";
import { stopAll } from "./system.ts";

const story = suite("LINE's webhook");

let line: LineStandIn;
let crm: Crm;

story.before(async () => {
  line = await startLine();
  crm = await startCrm({ env: { ...line.env, FUNCTIONS: "health,crm/line/*" } });
});
story.after(async () => {
  await stopAll();
  await Promise.all([crm.close(), line.close()]);
});

const guest = (number?: number) => lineUser(lineUserId(number), line.replyToken);
const url = () => `${crm.system.url}/webhooks/line`;
const send = (...events: LineEvent[]) => sendWebhook({ url: url(), secret: line.secret }, ...events);
const at = (event: LineEvent, ms: number): LineEvent => ({ ...event, timestamp: ms });

async function take(...events: LineEvent[]): Promise<void> {
  assert.is((await send(...events)).status, 200);
  const ids = events.map((event) => event["webhookEventId"]);
  await eventually(
    async () => {
      const { rows } = await crm.database.query(
        "SELECT count(*)::int AS n FROM line_events WHERE event_id = ANY ($1) AND state = 'handled'",
        [ids],
      );
      return rows[0].n === new Set(ids).size;
    },
    { what: "the events are handled", within: 60_000 },
  );
}

async function memberOf({ id }: { id: string }) {
  const { rows } = await crm.database.query("SELECT * FROM members WHERE line_uid = $1", [id]);
  return rows[0];
}

/** LINE is asked for it when the event has been handled. */
const named = (user: { id: string }) =>
  eventually(async () => (await memberOf(user)).line_display_name !== null, {
    what: "the name is known",
    within: 60_000,
  });

async function messagesOf({ id }: { id: string }) {
  const { rows } = await crm.database.query(
    `SELECT content, direction, message_type, sender_type, messages.created_at FROM messages
     JOIN members ON members.id = member_id WHERE line_uid = $1 ORDER BY messages.created_at, messages.id`,
    [id],
  );
  return rows;
}

async function stored(): Promise<number> {
  const { rows } = await crm.database.query("SELECT count(*)::int AS n FROM line_events");
  return rows[0].n;
}

story("what LINE did not sign is refused, and nothing of it is kept", async () => {
  const before = await stored();
  const event = guest().follow();
  for (const signature of [null, "", "bm90IHNpZ25lZA==", "%%%"]) {
    const answer = await sendWebhook({ url: url(), secret: line.secret, signature }, event);
    assert.is(answer.status, 401, String(signature));
  }
  assert.is((await sendWebhook({ url: url(), secret: "another" }, event)).status, 401);
  assert.is(await stored(), before);
});

story("LINE's check of the address, and events of other kinds, are taken and left alone", async () => {
  const before = await stored();
  assert.is((await send()).status, 200);
  const join = { type: "join", timestamp: Date.now(), webhookEventId: "01J", source: { type: "group", groupId: "C1" } };
  const said = { ...guest().says("to the group"), source: { type: "group", groupId: "C1", userId: guest().id } };
  assert.is((await send(join, said, { type: "of next year" }, {}, { events: null })).status, 200);
  assert.is(await stored(), before);
});

story("whoever follows becomes a member, with the name and the picture that LINE tells", async () => {
  const user = guest();
  const pictureUrl = "https://profile.line-scdn.net/0h1";
  line.profiles.set(user.id, { userId: user.id, displayName: "小明的日常 🏨", pictureUrl });
  const event = user.follow();
  await take(event);
  await named(user);
  const member = await memberOf(user);
  assert.is(member.source, "line");
  assert.is(member.line_display_name, "小明的日常 🏨");
  assert.is(member.line_picture_url, pictureUrl);
  assert.is(member.friended_at.getTime(), event["timestamp"]);
  assert.is(member.blocked_at, null);
});

story("a member who is there already keeps what is known of him", async () => {
  const user = guest();
  await crm.database.query("INSERT INTO members (line_uid, source, first_name) VALUES ($1, 'crm', '小華')", [user.id]);
  await take(user.follow());
  const member = await memberOf(user);
  assert.equal([member.source, member.first_name], ["crm", "小華"]);
  assert.ok(member.friended_at);
});

story("blocking is noted; following again ends it; whatever comes late undoes nothing newer", async () => {
  const user = guest();
  const now = Date.now();
  await take(at(user.follow(), now - 5000));
  await take(at(user.unfollow(), now - 4000));
  assert.is((await memberOf(user)).blocked_at.getTime(), now - 4000);
  await take(at(user.follow(), now - 2000));
  assert.is((await memberOf(user)).blocked_at, null);
  await take(at(user.unfollow(), now - 3000));
  const member = await memberOf(user);
  assert.is(member.blocked_at, null);
  assert.is(member.friended_at.getTime(), now - 2000);
});

story("a follow that comes after the later block leaves it", async () => {
  const user = guest();
  const now = Date.now();
  await take(at(user.unfollow(), now - 1000));
  await take(at(user.follow(), now - 2000));
  const member = await memberOf(user);
  assert.is(member.blocked_at.getTime(), now - 1000);
  assert.is(member.friended_at.getTime(), now - 2000);
});

story("what a guest says is among the messages, and tells when he was last heard of", async () => {
  const user = guest();
  const now = Date.now();
  const events = [
    at(user.says("您好,請問平日有商務房的優惠嗎?"), now - 3000),
    at(user.sends("sticker"), now - 2000),
    at(user.sends("image"), now - 1000),
  ];
  await take(...events);
  const shown = (await messagesOf(user)).map(({ content, direction, message_type }) => [
    content,
    direction,
    message_type,
  ]);
  assert.equal(shown, [
    ["您好,請問平日有商務房的優惠嗎?", "incoming", "text"],
    ["[貼圖]", "incoming", "text"],
    ["[圖片]", "incoming", "image"],
  ]);
  assert.is((await memberOf(user)).last_interaction_at.getTime(), now - 1000);
});

story("texts that a database cannot hold do not stop the others", async () => {
  const user = guest();
  await take(user.says("nul \u0000 and half \ud800 a character"), user.says("after it"));
  const contents = (await messagesOf(user)).map(({ content }) => content);
  assert.equal(contents.toSorted(), ["after it", "nul  and half \ufffd a character"]);
});

story("an event that LINE sends again, and again at once, acts once", async () => {
  const user = guest();
  const event = user.says("only once");
  await take(event, redelivered(event));
  await Promise.all(Array.from({ length: 30 }, () => send(redelivered(event))));
  await take(user.says("the end"));
  assert.equal(
    (await messagesOf(user)).map(({ content }) => content),
    ["only once", "the end"],
  );
});

story("many events of one new guest at once make one member", async () => {
  const user = guest();
  const events = Array.from({ length: 20 }, (_, index) => user.says(`message ${index}`));
  await Promise.all(events.map((event) => send(event)));
  await take(...events);
  assert.is((await messagesOf(user)).length, 20);
});

story("an event whose message got lost, or whose handler died, is handled all the same", async () => {
  const [lost, died] = [guest(), guest()];
  const insert = `INSERT INTO line_events (event_id, type, line_uid, occurred_at, content, state, attempt, due_at, lease_until)
    VALUES ($1, 'message', $2, now(), $3, $4, $5, now(), now() - interval '1 minute')`;
  const content = JSON.stringify({ message: { type: "text", text: "still here" } });
  await crm.database.query(insert, ["lost", lost.id, content, "received", 0]);
  await crm.database.query(insert, ["died", died.id, content, "handling", 1]);
  for (const user of [lost, died]) {
    await eventually(async () => (await messagesOf(user)).length === 1, { what: "it is handled", within: 60_000 });
  }
});

story("an event that is handled keeps nothing of what was said; the log has none of it", async () => {
  const user = guest();
  const event = user.says("my passport is A123456789");
  await take(event);
  const { rows } = await crm.database.query("SELECT content, answer FROM line_events WHERE event_id = $1", [
    event["webhookEventId"],
  ]);
  assert.equal(rows, [{ content: null, answer: null }]);
  const { stdout, stderr } = await crm.system.output();
  for (const secret of ["A123456789", String(event["replyToken"]), line.secret, line.token]) {
    assert.not.ok((stdout + stderr).includes(secret), "the log tells what was said");
  }
});

story(
  "while LINE does not tell profiles, members come in without a name, and get it with their next event",
  async () => {
    const user = guest();
    line.always("read", { kind: "status", status: 500 });
    const asked = () => line.requests.some(({ path, status }) => path.endsWith(user.id) && status === 500);
    await take(user.follow());
    await eventually(asked, { what: "LINE is asked", within: 60_000 });
    assert.is((await memberOf(user)).line_display_name, null);
    line.always("read", undefined);
    await take(user.says("hello"));
    await named(user);
  },
);

story("a picture's address that cannot be kept costs nobody his answer, nor the record of it", async () => {
  await crm.database.query("INSERT INTO auto_responses (name, trigger_type, content) VALUES ('x', 'welcome', '歡迎')");
  const answered = async () => {
    const user = guest();
    line.profiles.set(user.id, { userId: user.id, displayName: "小明", pictureUrl: "https://x.example/\u0000" });
    const event = user.follow();
    await take(event);
    const sql = "SELECT attempt, answer_state FROM line_events WHERE event_id = $1";
    const { rows } = await crm.database.query(sql, [event["webhookEventId"]]);
    // Until the rule is known there is no answer.
    return rows[0].answer_state !== null && rows[0];
  };
  const event = await eventually(answered, { what: "a follow is answered", within: 60_000 });
  assert.equal(event, { attempt: 1, answer_state: "sent" });
  await crm.database.query("DELETE FROM auto_responses");
});

story.run();
