/** Links and postbacks: whose taps count, how often, and that a link leads on whatever happens. */
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postbackData, signLink } from "../../lib/crm/tracking/link.ts";
import type { Config } from "../../lib/config.ts";
import { openSecrets, type Secrets } from "../../lib/resources/secrets.ts";
import { startTcpRelay, type TcpRelay } from "../harness/tcp-relay.ts";
import { eventually, freshDatabase } from "../harness/test.ts";
import { startCrm, type Crm } from "./crm.ts";
import { lineUser, lineUserId, redelivered, sendWebhook } from "./stand-ins/line-webhook.ts";
import { startLine, type LineStandIn } from "./stand-ins/line.ts";
import { stopAll } from "./system.ts";

const story = suite("Tracking");

let line: LineStandIn;
let crm: Crm;
let relay: TcpRelay;
/** Not by way of the relay. */
let database: Client;
let secrets: Secrets;

story.before(async () => {
  const url = await freshDatabase();
  [line, relay] = await Promise.all([startLine(), startTcpRelay(url)]);
  crm = await startCrm({
    env: { ...line.env, DATABASE_URL: relay.url, FUNCTIONS: "health,crm/line/*,crm/tracking/*" },
  });
  crm.database.on("error", () => {});
  database = new Client({ connectionString: url });
  await database.connect();
  const key = Buffer.from(crm.env["ENCRYPTION_KEY"] ?? "", "base64");
  secrets = await openSecrets({ keys: [key], file: "/nowhere" });
});
story.after(async () => {
  await stopAll();
  await Promise.all([crm.close().catch(() => {}), database.end(), line.close(), relay.close()]);
});

/** As LINE's own browser calls itself. */
const phone =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari Line/15.3.0";
const offer = "https://hotel.example/offers/business?from=line#rates";

interface Sent {
  campaign: number;
  members: { id: number; uid: string }[];
  tags: [number, number];
}

const one = async (sql: string, values: readonly unknown[] = []) => (await database.query(sql, [...values])).rows[0];

/** A campaign that so many members got, and two tags of its links. */
async function sentTo(count: number): Promise<Sent> {
  const { id: campaign } = await one(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', 'x') RETURNING id)
     INSERT INTO campaigns (title, template_id, target_audience, status, sent_at, sent_count)
     SELECT 'c', id, '{"type":"all"}', 'sent', now(), $1 FROM template RETURNING id::int`,
    [count],
  );
  const { rows: tags } = await database.query(
    "INSERT INTO tags (name, type) VALUES ('a' || $1::text, 'interaction'), ('b' || $1::text, 'interaction') RETURNING id::int",
    [campaign],
  );
  const uids = Array.from({ length: count }, () => lineUserId());
  const { rows: members } = await database.query(
    "INSERT INTO members (line_uid, source) SELECT unnest($1::text[]), 'line' RETURNING id::int, line_uid AS uid",
    [uids],
  );
  await database.query(
    `INSERT INTO campaign_recipients (campaign_id, member_id, batch, status, sent_at)
     SELECT $1, unnest($2::bigint[]), 1, 'sent', now()`,
    [campaign, members.map(({ id }) => id)],
  );
  return { campaign, members, tags: [tags[0].id, tags[1].id] };
}

function linkOf({ campaign, tags }: Sent, memberId: number, url = offer, tagIds: readonly number[] = tags): string {
  const config = { publicUrl: crm.system.url } as Config;
  const place = { campaignId: campaign, kind: "button", index: 0, tagIds } as const;
  return signLink({ secrets, config }, { ...place, memberId, url });
}

const follow = (link: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
  fetch(link, { redirect: "manual", ...init, headers: { "user-agent": phone, ...init.headers } });

async function countsOf({ campaign, tags }: Sent) {
  return await one(
    `SELECT opened_count AS opened, clicked_count AS clicked,
            (SELECT count(*)::int FROM campaign_recipients WHERE campaign_id = $1 AND status = 'clicked'
               AND opened_at IS NOT NULL AND clicked_at IS NOT NULL) AS recipients,
            (SELECT count(*)::int FROM tag_trigger_logs WHERE campaign_id = $1) AS logs,
            (SELECT array_agg(member_count ORDER BY id) FROM tags WHERE id = ANY ($2)) AS tagged,
            (SELECT array_agg(trigger_count ORDER BY id) FROM tags WHERE id = ANY ($2)) AS triggered
     FROM campaigns WHERE id = $1`,
    [campaign, tags],
  );
}

const counts = (members: number) => ({
  opened: members,
  clicked: members,
  recipients: members,
  logs: 2 * members,
  tagged: [members, members],
  triggered: [members, members],
});

story("a link leads to what was signed, and counts as opened and clicked, with its tags", async () => {
  const sent = await sentTo(2);
  const [member] = sent.members;
  const answer = await follow(linkOf(sent, member?.id ?? 0));
  assert.is(answer.status, 302);
  assert.is(answer.headers.get("location"), offer);
  assert.equal(await countsOf(sent), counts(1));
  const { source, seen } = await one(
    `SELECT (SELECT string_agg(DISTINCT trigger_source, ',') FROM tag_trigger_logs WHERE campaign_id = $1) AS source,
            last_interaction_at IS NOT NULL AS seen FROM members WHERE id = $2`,
    [sent.campaign, member?.id],
  );
  assert.equal([source, seen], ["click", true]);
});

story("repeated clicks, all at once, count once for each member", async () => {
  const sent = await sentTo(10);
  const links = sent.members.flatMap(({ id }) => [linkOf(sent, id), linkOf(sent, id, "https://hotel.example/other")]);
  const answers = await Promise.all([...links, ...links, ...links, ...links].map((link) => follow(link)));
  assert.ok(answers.every(({ status }) => status === 302));
  assert.equal(await countsOf(sent), counts(10));
});

story("what looks ahead does not count: HEAD, LINE's crawler, prefetching, bots", async () => {
  const sent = await sentTo(1);
  const link = linkOf(sent, sent.members[0]?.id ?? 0);
  const agents = [
    "facebookexternalhit/1.1;line-poker/1.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Slackbot-LinkExpanding 1.0",
  ];
  for (const agent of agents) assert.is((await follow(link, { headers: { "user-agent": agent } })).status, 302);
  assert.is((await follow(link, { headers: { "sec-purpose": "prefetch;prerender" } })).status, 302);
  const head = await follow(link, { method: "HEAD" });
  assert.equal([head.status, head.headers.get("location")], [302, offer]);
  assert.equal((await countsOf(sent)).clicked, 0);
});

story("a link that nobody signed leads nowhere", async () => {
  const sent = await sentTo(1);
  const link = linkOf(sent, sent.members[0]?.id ?? 0);
  const [shared = "", member, code] = link.slice(link.lastIndexOf("/") + 1).split("~");
  const text = Buffer.from(shared, "base64url").toString().replace("hotel.example", "evil.example");
  const forged = `${Buffer.from(text).toString("base64url")}~${member}~${code}`;
  for (const signed of [forged, `${shared}~${Number(member) + 1}~${code}`, "https:%2F%2Fevil.example", "x", "%ff"]) {
    const answer = await follow(`${crm.system.url}/r/${signed}`);
    assert.ok(answer.status === 404 || answer.status === 400, `${signed}: ${answer.status}`);
    assert.is(answer.headers.get("location"), null);
  }
  assert.equal((await countsOf(sent)).clicked, 0);
});

story("a tag that has gone, or a member who has, keeps nothing else from being counted", async () => {
  const sent = await sentTo(2);
  const [gone, stays] = sent.members;
  await database.query("DELETE FROM members WHERE id = $1", [gone?.id]);
  await database.query("DELETE FROM tags WHERE id = $1", [sent.tags[0]]);
  const links = [linkOf(sent, gone?.id ?? 0), linkOf(sent, stays?.id ?? 0)];
  const answers = await Promise.all(links.map((link) => follow(link)));
  assert.equal(
    answers.map(({ status }) => status),
    [302, 302],
  );
  const { clicked, logs, tagged } = await countsOf(sent);
  assert.equal([clicked, logs, tagged], [1, 1, [1]]);
});

story("a postback counts for whoever tapped it, once, and a forged one for nobody", async () => {
  const sent = await sentTo(2);
  const [first, second] = sent.members;
  const data = postbackData({ secrets }, { campaignId: sent.campaign, kind: "item", index: 0, tagIds: sent.tags });
  const events = [
    lineUser(first?.uid).taps(data),
    lineUser(first?.uid).taps(data),
    lineUser(second?.uid).taps(data.replace("item0", "item1")),
  ];
  const target = { url: `${crm.system.url}/webhooks/line`, secret: line.secret };
  assert.is((await sendWebhook(target, ...events, ...events.map(redelivered))).status, 200);
  const isHandled = async () => {
    const ids = events.map((event) => event["webhookEventId"]);
    const sql = "SELECT count(*)::int AS n FROM line_events WHERE event_id = ANY ($1) AND state = 'handled'";
    return (await one(sql, [ids])).n === 3;
  };
  await eventually(isHandled, { what: "the taps are handled", within: 60_000 });
  assert.equal(await countsOf(sent), counts(1));
  const { source } = await one(
    "SELECT string_agg(DISTINCT trigger_source, ',') AS source FROM tag_trigger_logs WHERE campaign_id = $1",
    [sent.campaign],
  );
  assert.is(source, "interaction");
});

story("a link outside campaigns adds its tags, and counts nowhere else", async () => {
  const sent = await sentTo(1);
  const config = { publicUrl: crm.system.url } as Config;
  const place = { campaignId: null, kind: "button", index: 0, tagIds: sent.tags } as const;
  const link = signLink({ secrets, config }, { ...place, memberId: sent.members[0]?.id ?? 0, url: offer });
  assert.is((await follow(link)).status, 302);
  const { clicked, tagged } = await countsOf(sent);
  assert.equal([clicked, tagged], [0, [1, 1]]);
});

story("while the database is away links lead on, and the log says that clicks are missing", async () => {
  const sent = await sentTo(1);
  const link = linkOf(sent, sent.members[0]?.id ?? 0);
  relay.become("refused");
  try {
    const answer = await follow(link);
    assert.equal([answer.status, answer.headers.get("location")], [302, offer]);
    const isLogged = async () => (await crm.system.output()).stdout.includes("a click was not recorded");
    await eventually(isLogged, { what: "the log says so", within: 60_000 });
  } finally {
    relay.become("open");
  }
  await eventually(
    async () => {
      await follow(link);
      return (await countsOf(sent)).clicked === 1;
    },
    { what: "clicks count again", within: 60_000 },
  );
  assert.equal(await countsOf(sent), counts(1));
});

story.run();
