/** What marketing sees of its campaigns: as the document shows it, and as it adds up. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addDays, hotelDay } from "../../lib/crm/analytics/period.ts";
import { eventually } from "../harness/test.ts";
import { dataOf, Exactly, problemOf, startCrm, type Crm } from "./crm.ts";
import { stopAll } from "./system.ts";

const story = suite("analytics");

let crm: Crm;

story.before(async () => {
  crm = await startCrm({ env: { FUNCTIONS: "health,crm/analytics/*,crm/members/*" } });
});
story.after(async () => {
  await stopAll();
  await crm.close();
});
story.before.each(async () => {
  await crm.database.query(
    `TRUNCATE campaigns, message_templates, members, tags, messages, campaign_recipients, campaign_conversions,
     conversion_checks, crm_day_changes, crm_days CASCADE`,
  );
});

const Count = Type.Integer({ minimum: 0 });
const Rate = Type.Number({ minimum: 0, maximum: 100 });
const Change = Type.Union([Type.Number(), Type.Null()]);

const Overview = Exactly({
  kpi: Exactly({
    total_messages_sent: Count,
    average_open_rate: Rate,
    average_click_rate: Rate,
    conversion_rate: Rate,
  }),
  trends: Exactly({
    messages_sent_trend: Change,
    open_rate_trend: Change,
    click_rate_trend: Change,
    conversion_rate_trend: Change,
  }),
});
const Performance = Type.Array(
  Exactly({
    campaign_id: Type.Integer(),
    title: Type.String(),
    sent_count: Count,
    opened_count: Count,
    clicked_count: Count,
    conversion_count: Count,
    open_rate: Rate,
    click_rate: Rate,
    conversion_rate: Rate,
  }),
);
const Distribution = Type.Array(
  Exactly({ tag_id: Type.Integer(), tag_name: Type.String(), trigger_count: Count, percentage: Rate }),
);
const Trends = Exactly({
  dates: Type.Array(Type.String({ pattern: String.raw`^\d{4}-\d\d-\d\d$` })),
  series: Type.Array(Exactly({ name: Type.String(), data: Type.Array(Type.Integer()) })),
});

/** A campaign that was sent at noon of a day, and its counts: sent, opened, clicked, converted. */
async function campaign(title: string, day: string, ...counts: [number, number, number, number]): Promise<number> {
  const { rows } = await crm.database.query<{ id: number }>(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', 'Hello') RETURNING id)
     INSERT INTO campaigns (title, template_id, target_audience, status, sent_at, sent_count, opened_count, clicked_count,
                            conversion_count)
     SELECT $1, template.id, '{"type": "all"}', 'sent', ($2 || 'T04:00:00Z')::timestamptz, $3, $4, $5, $6 FROM template
     RETURNING id::float8 AS id`,
    [title, day, ...counts],
  );
  return rows[0]?.id ?? 0;
}

const day = (date: string, sent: number, opened = 0, clicked = 0) =>
  crm.database.query("INSERT INTO crm_days (day, sent, opened, clicked) VALUES ($1, $2, $3, $4)", [
    date,
    sent,
    opened,
    clicked,
  ]);

story("the overview is as documented: figures of the period, and changes against the one before", async () => {
  await campaign("before", "2025-09-30", 1000, 633, 432, 166);
  await campaign("中秋送禮 KOL", "2025-10-01", 600, 411, 254, 112);
  await campaign("雙十連假", "2025-10-08", 400, 274, 169, 75);
  await campaign("after", "2025-10-09", 400, 0, 0, 0);
  await day("2025-09-23", 10_805);
  await day("2025-10-01", 12_000);
  await day("2025-10-08", 458);
  await day("2025-10-09", 9);
  const overview = dataOf(await crm.get("/analytics/overview?start_date=2025-10-01&end_date=2025-10-08"), Overview);
  assert.equal(overview, {
    kpi: { total_messages_sent: 12_458, average_open_rate: 68.5, average_click_rate: 42.3, conversion_rate: 18.7 },
    trends: {
      messages_sent_trend: 15.3,
      open_rate_trend: 8.2,
      click_rate_trend: -2.1,
      conversion_rate_trend: 12.7,
    },
  });
});

story("where there is nothing to compare with, no change is told", async () => {
  const nothing = {
    messages_sent_trend: null,
    open_rate_trend: null,
    click_rate_trend: null,
    conversion_rate_trend: null,
  };
  const none = { total_messages_sent: 0, average_open_rate: 0, average_click_rate: 0, conversion_rate: 0 };
  assert.equal(dataOf(await crm.get("/analytics/overview"), Overview), { kpi: none, trends: nothing });
  await campaign("first", "2025-10-01", 10, 5, 1, 0);
  await day("2025-10-01", 10);
  const query = "start_date=2025-10-01&end_date=2025-10-31";
  assert.equal(dataOf(await crm.get(`/analytics/overview?${query}`), Overview).trends, nothing);
});

story("campaigns of the period are told of as documented, the newest first", async () => {
  const first = await campaign("中秋送禮 KOL", "2025-10-01", 100, 80, 40, 25);
  const second = await campaign("雙十連假", "2025-10-08", 3, 1, 0, 0);
  await campaign("before", "2025-09-30", 1, 1, 1, 1);
  await crm.database.query("UPDATE campaigns SET sent_at = NULL, status = 'draft' WHERE title = 'before'");
  const path = "/analytics/campaign-performance?start_date=2025-10-01&end_date=2025-10-08";
  assert.equal(dataOf(await crm.get(`${path}&limit=10`), Performance), [
    {
      campaign_id: second,
      title: "雙十連假",
      sent_count: 3,
      opened_count: 1,
      clicked_count: 0,
      conversion_count: 0,
      open_rate: 33.3,
      click_rate: 0,
      conversion_rate: 0,
    },
    {
      campaign_id: first,
      title: "中秋送禮 KOL",
      sent_count: 100,
      opened_count: 80,
      clicked_count: 40,
      conversion_count: 25,
      open_rate: 80,
      click_rate: 40,
      conversion_rate: 25,
    },
  ]);
  assert.is(dataOf(await crm.get(`${path}&limit=1`), Performance).length, 1);
  for (let n = 0; n < 12; n++) await campaign(`more ${n}`, "2025-10-02", 1, 0, 0, 0);
  assert.is(dataOf(await crm.get(path), Performance).length, 10);
});

story("a tag's part is that of all triggers", async () => {
  await crm.database.query(
    `INSERT INTO tags (name, type, trigger_count) VALUES ('中秋活動', 'interaction', 156), ('溫泉', 'interaction', 687),
       ('VIP', 'member', 0)`,
  );
  const shares = dataOf(await crm.get("/analytics/tag-distribution"), Distribution);
  assert.equal(
    shares.map(({ tag_name, trigger_count, percentage }) => [tag_name, trigger_count, percentage]),
    [
      ["溫泉", 687, 81.5],
      ["中秋活動", 156, 18.5],
    ],
  );
});

story("trends have every day, and the metrics that are asked for", async () => {
  await day("2025-09-01", 120, 85, 45);
  await day("2025-09-03", 128, 88, 48);
  const path = "/analytics/trends?start_date=2025-09-01&end_date=2025-09-03";
  assert.equal(dataOf(await crm.get(`${path}&metric=sent,opened,clicked`), Trends), {
    dates: ["2025-09-01", "2025-09-02", "2025-09-03"],
    series: [
      { name: "sent", data: [120, 0, 128] },
      { name: "opened", data: [85, 0, 88] },
      { name: "clicked", data: [45, 0, 48] },
    ],
  });
  const names = dataOf(await crm.get(path), Trends).series.map(({ name }) => name);
  assert.equal(names, ["sent", "opened", "clicked", "converted"]);
  assert.equal(
    dataOf(await crm.get(`${path}&metric=clicked,sent,clicked`), Trends).series.map(({ name }) => name),
    ["clicked", "sent"],
  );
  const year = dataOf(await crm.get("/analytics/trends?start_date=2024-01-01&end_date=2024-12-31"), Trends);
  assert.is(year.dates.length, 366);
  assert.is(dataOf(await crm.get("/analytics/trends"), Trends).dates.length, 30);
});

story("what happens shows without anybody asking for it, stays that follow a click included", async () => {
  const today = hotelDay(new Date());
  const id = await campaign("Autumn", today, 0, 0, 0, 0);
  const { rows } = await crm.database.query<{ id: number }>(
    "INSERT INTO members (line_uid, source) VALUES ('U1', 'line') RETURNING id::float8 AS id",
  );
  const member = rows[0]?.id;
  await crm.database.query("INSERT INTO campaign_recipients (campaign_id, member_id, batch) VALUES ($1, $2, 0)", [
    id,
    member,
  ]);
  await crm.database.query("UPDATE campaigns SET sent_count = 4, opened_count = 2, clicked_count = 1 WHERE id = $1", [
    id,
  ]);
  await crm.database.query("UPDATE campaign_recipients SET clicked_at = now(), opened_at = now(), status = 'clicked'");
  await crm.database.query(
    `INSERT INTO messages (member_id, content, direction, message_type, sender_type) VALUES ($1, 'Hi', 'outgoing', 'text', 'auto')`,
    [member],
  );
  await crm.database.query(
    `INSERT INTO consumption_records (member_id, order_number, amount, check_in_date, source) VALUES ($1, '1', 1, $2, 'manual')`,
    [member, addDays(today, 2)],
  );
  const read = async () =>
    dataOf(await crm.get(`/analytics/trends?start_date=${today}&end_date=${addDays(today, 2)}`), Trends);
  const converted = async () => (await read()).series.at(-1)?.data.at(-1) === 1;
  await eventually(converted, { what: "the stay is counted", within: 60_000 });
  assert.equal(
    (await read()).series.map(({ name, data }) => [name, data[0], data[2]]),
    [
      ["sent", 5, 0],
      ["opened", 2, 0],
      ["clicked", 1, 0],
      ["converted", 0, 1],
    ],
  );
  const [result] = dataOf(await crm.get("/analytics/campaign-performance"), Performance);
  assert.equal([result?.conversion_count, result?.conversion_rate], [1, 25]);
  assert.is(dataOf(await crm.get("/analytics/overview"), Overview).kpi.conversion_rate, 25);
});

story("days that make no sense are said to, by field", async () => {
  const cases: [query: string, ...fields: string[]][] = [
    ["start_date=2025-10-02&end_date=2025-10-01", "end_date"],
    ["start_date=2024-01-01&end_date=2025-01-01", "end_date"],
    ["start_date=2025-02-30", "start_date"],
    ["start_date=yesterday&end_date=2025-13-01", "start_date", "end_date"],
    ["end_date=0001-01-05", "start_date", "end_date"],
  ];
  for (const path of ["overview", "campaign-performance", "trends"]) {
    for (const [query, ...fields] of cases) {
      const { errors } = problemOf(await crm.get(`/analytics/${path}?${query}`), 400);
      assert.equal(errors.map(({ field }) => field).toSorted(), fields.toSorted(), `${path}?${query}`);
    }
  }
  for (const metric of ["sales", "sent,", "sent;opened", ""]) {
    const { errors } = problemOf(await crm.get(`/analytics/trends?metric=${metric}`), 400);
    assert.equal(
      errors.map(({ field }) => field),
      ["metric"],
      metric,
    );
  }
  for (const limit of ["0", "101", "ten"])
    problemOf(await crm.get(`/analytics/campaign-performance?limit=${limit}`), 400);
});

story("analytics are marketing's", async () => {
  const marketing = await crm.person("marketing");
  const service = await crm.person("customer_service");
  for (const path of ["overview", "campaign-performance", "tag-distribution", "trends"]) {
    assert.is((await crm.get(`/analytics/${path}`, { token: marketing.token })).status, 200, path);
    problemOf(await crm.get(`/analytics/${path}`, { token: service.token }), 403);
    problemOf(await crm.get(`/analytics/${path}`, { token: null }), 401);
  }
});

story.run();
