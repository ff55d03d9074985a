/** Processes that are killed while LINE has a request of theirs: nothing is said twice, and nothing is forgotten. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { startCrm, type Crm } from "./crm.ts";
import { lineUser, lineUserId, sendWebhook } from "./stand-ins/line-webhook.ts";
import { startLine, type LineStandIn } from "./stand-ins/line.ts";
import { stopAll } from "./system.ts";

const story = suite("Crashes while LINE is spoken to");

let line: LineStandIn;
let crm: Crm;

story.before(async () => {
  line = await startLine();
  crm = await startCrm({ env: { ...line.env, FUNCTIONS: "health,crm/line/*,crm/messages/*,crm/auto-responses/*" } });
  const rule = { name: "w", trigger_type: "keyword", keywords: ["wifi"], content: "密碼是 hotel" };
  assert.is((await crm.post("/auto-responses", rule)).status, 200);
});
story.before.each(() => line.reset());
story.after(async () => {
  await stopAll();
  await Promise.all([crm.close(), line.close()]);
});

const soon = { within: 90_000 };
const one = async (sql: string, values: readonly unknown[]) => (await crm.database.query(sql, [...values])).rows[0];

/** Kills the system as soon as LINE has a request of this kind, lets its leases run out, and starts it again. */
async function crashDuring(step: "reply" | "push"): Promise<void> {
  await eventually(() => line.requests.some((entry) => entry.step === step), { what: `LINE has a ${step}`, ...soon });
  await crm.system.kill();
  line.always(step, undefined);
  await crm.database.query("UPDATE line_events SET lease_until = now() WHERE state = 'handling'");
  await crm.database.query("UPDATE message_deliveries SET lease_until = now() WHERE state = 'sending'");
  await crm.system.start();
}

const say = async (uid: string) => {
  const event = lineUser(uid, line.replyToken).says("wifi");
  const sent = await sendWebhook({ url: `${crm.system.url}/webhooks/line`, secret: line.secret }, event);
  assert.is(sent.status, 200);
  return event["webhookEventId"];
};

for (const when of ["accepted", undefined] as const) {
  story(`a reply that LINE ${when ? "took" : "never read"} is said once`, async () => {
    line.always("reply", when ? { kind: "silence", when } : { kind: "silence" });
    const uid = lineUserId();
    const event = await say(uid);
    await crashDuring("reply");
    const isHandled = async () =>
      (await one("SELECT state FROM line_events WHERE event_id = $1", [event])).state === "handled";
    await eventually(isHandled, { what: "the event is handled", ...soon });
    assert.is(line.ledger.count(uid), 1);
    const { incoming } = await one(
      `SELECT count(*)::int AS incoming FROM messages JOIN members ON members.id = member_id
       WHERE line_uid = $1 AND direction = 'incoming'`,
      [uid],
    );
    assert.is(incoming, 1);
  });

  story(`a user's message that LINE ${when ? "took" : "never read"} arrives once`, async () => {
    line.always("push", when ? { kind: "silence", when } : { kind: "silence" });
    const uid = lineUserId();
    const { id } = await one("INSERT INTO members (line_uid, source) VALUES ($1, 'line') RETURNING id::int", [uid]);
    const answer = crm.post("/messages", { member_id: id, content: "感謝您的詢問" }).catch(() => "cut off");
    await crashDuring("push");
    assert.is(await answer, "cut off");
    const status = async () => (await one("SELECT status FROM messages WHERE member_id = $1", [id])).status;
    await eventually(async () => (await status()) === "sent", { what: "the message is sent", ...soon });
    assert.is(line.ledger.count(uid), 1);
    assert.is(line.misusedKeys.size, 0);
  });
}

story.run();
