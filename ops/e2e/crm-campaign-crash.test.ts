/**
 * kill -9 of the worker and of the API while campaigns go out and LINE fails: nobody gets one twice, nobody is left out.
 * CAMPAIGN_KILLS says how often; a few unless told.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshVhost } from "../harness/test.ts";
import { campaigns } from "./crm-campaign.fixture.ts";
import { startCrm } from "./crm.ts";
import { startLine } from "./stand-ins/line.ts";
import { startSystem, stopAll } from "./system.ts";

const story = suite("campaigns and crashes");
const kills = Number(process.env["CAMPAIGN_KILLS"] ?? 2);
/** More kills need more that is under way. */
const scale = Math.max(1, kills / 2);
story.after(stopAll);

const byMember = Math.round(600 * scale);
const inAll = Math.round(4500 * scale);

story(`${kills} kills while LINE fails: everybody who counts as sent has got it, once`, async () => {
  const line = await startLine();
  const shared = { ...line.env, RABBITMQ_URL: await freshVhost(), LOG_LEVEL: "warn" };
  const crm = await startCrm({
    env: { ...shared, FUNCTIONS: "health,crm/campaigns/!(deliver|sweep|start-due),crm/templates/*" },
  });
  const api = campaigns(crm, line);
  const worker = await startSystem({
    env: { ...crm.env, FUNCTIONS: "health,crm/campaigns/deliver,crm/campaigns/sweep,crm/campaigns/start-due" },
    token: "none",
  });
  const [each, many] = [await api.prepared(byMember), await api.prepared(inAll, { tracking: "aggregate" })];
  const seed = 20_251_008;
  line.plan({
    seed,
    throttled: 0.01,
    broken: 0.02,
    reset: 0.01,
    resetAccepted: 0.03,
    silenceAccepted: 0.0005,
    delay: 0.9,
    delayMs: 300,
  });

  // The API is killed while it freezes: the campaign has begun, or it is as it was.
  const lost = crm.post(`/campaigns/${many.id}/send`).catch(() => undefined);
  await eventually(async () => (await frozen(many.id)) || isDone(lost), { what: "it freezes", within: 60_000 });
  await crm.system.kill();
  await lost;
  await crm.system.start();
  const begun = await api.read(many.id);
  assert.ok(begun.status === "draft" || begun.audience_count === inAll, JSON.stringify(begun.status));
  if (begun.status === "draft") await api.send(many.id);
  await api.send(each.id);

  const step = Math.floor((byMember + inAll) / (kills + 2));
  for (let kill = 1; kill <= kills; kill++) {
    await eventually(() => line.ledger.copies >= kill * step || isOver(), { what: `kill ${kill}`, within: 120_000 });
    const victim = kill % 2 === 0 ? crm.system : worker;
    await victim.kill();
    await victim.start();
  }

  for (const { id, members } of [each, many]) {
    const ended = await api.settled(id, 150_000);
    assert.is(ended.status, "sent");
    assert.is(ended.sent_count + ended.failed_count, members.length);
    const failed = new Set(await uidsOf(id, "failed"));
    const sent = await uidsOf(id, "sent");
    assert.equal([sent.length, failed.size], [ended.sent_count, ended.failed_count]);
    for (const uid of sent) assert.is(line.ledger.count(uid), 1, `${uid} was sent ${line.ledger.count(uid)} copies`);
    // What failed in the end may have been accepted, by an answer that was lost; never twice.
    for (const uid of failed) assert.ok(line.ledger.count(uid) <= 1);
    assert.ok(failed.size <= members.length / 50, `${failed.size} failed`);
  }
  assert.is(line.misusedKeys.size, 0);
  assert.ok(line.ledger.copies >= (byMember + inAll) * 0.98);
  await crm.close();
  await line.close();

  async function frozen(id: number): Promise<boolean> {
    const waiting =
      "SELECT FROM pg_stat_activity WHERE query LIKE '%campaign_recipients (campaign_id%' AND state = 'active' AND pid <> pg_backend_pid()";
    return (
      (await crm.database.query(waiting)).rowCount !== 0 ||
      (await crm.database.query("SELECT FROM campaign_batches WHERE campaign_id = $1 LIMIT 1", [id])).rowCount !== 0
    );
  }
  async function isOver(): Promise<boolean> {
    const open = "SELECT FROM campaigns WHERE status = 'sending'";
    return (await crm.database.query(open)).rowCount === 0;
  }
  async function uidsOf(id: number, status: string): Promise<string[]> {
    const { rows } = await crm.database.query<{ uid: string }>(
      `SELECT line_uid AS uid FROM campaign_deliveries JOIN members ON members.id = member_id
       WHERE campaign_id = $1 AND status = $2`,
      [id, status],
    );
    return rows.map(({ uid }) => uid);
  }
});

async function isDone(work: Promise<unknown>): Promise<boolean> {
  const waiting = Symbol("waiting");
  return (await Promise.race([work, Promise.resolve(waiting)])) !== waiting;
}

story.run();
