/** An invented hotel of any size: people, tags, stays, campaigns and what was said, over three years. */
import { Client, type ClientBase } from "pg";
import type { Context } from "../../../runtime/context.ts";
import { Problem } from "../../../runtime/problem.ts";
import { fold } from "../auto-responses/fold.ts";
import { sealIdNumber } from "../members/id-number.ts";
import { bulkOf } from "./bulk.ts";
import {
  countCampaigns,
  insertBatches,
  insertRecipients,
  insertTriggered,
  insertTriggers,
  recount,
} from "./campaigns.sql.ts";
import { defineDraw, insertMembers, insertMessages, insertSearch, insertStays, insertTagged } from "./people.sql.ts";
import * as words from "./words.ts";

export interface Seeding extends Pick<Context, "secrets" | "clock"> {
  db: Pick<Context["db"], "url">;
}

export interface SeedOptions {
  members: number;
  /** The same one makes the same people. */
  seed: number;
  /** Also where there are members already; theirs stay as they are. */
  force: boolean;
  /** Progress, for people. */
  tell(line: string): void;
}

export interface Seeded {
  members: number;
  tags: number;
  stays: number;
  campaigns: number;
  recipients: number;
  messages: number;
}

const hasMembers = Problem.kind(
  409,
  "has_members",
  "There are members in this database: --force adds the invented ones to them",
);

const filled = [
  "members",
  "member_search",
  "member_tag_relations",
  "consumption_records",
  "campaign_recipients",
  "tag_trigger_logs",
];
const atOnce = 50_000;

/**
 * All in one transaction, then vacuumed and analysed: a million members take about two minutes. Indexes go and are built
 * again over the whole, so a system that runs meanwhile waits. Throws `has_members` where it must not.
 */
export async function seedCrm(ctx: Seeding, options: SeedOptions): Promise<Seeded> {
  const db = new Client({ connectionString: ctx.db.url });
  await db.connect();
  try {
    await db.query(
      "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '128MB'; SET timezone = 'UTC'",
    );
    await db.query("BEGIN");
    const seeded = await fill(db, ctx, options);
    await db.query("COMMIT");
    options.tell("vacuum and analyse");
    await db.query(`VACUUM ANALYZE ${filled.join(", ")}, member_counts, messages, campaigns, campaign_batches, tags`);
    return seeded;
  } finally {
    await db.end();
  }
}

async function fill(
  db: ClientBase,
  ctx: Pick<Context, "secrets" | "clock">,
  { members, seed, force, tell }: SeedOptions,
): Promise<Seeded> {
  const step = async (what: string, sql: string, values: unknown[] = []) => {
    tell(what);
    return (await db.query(sql, values)).rowCount ?? 0;
  };
  await db.query("LOCK TABLE members IN ACCESS EXCLUSIVE MODE");
  const { rows } = await db.query<{ base: string }>("SELECT coalesce(max(id), 0) AS base FROM members");
  const base = Number(rows[0]?.base);
  if (base > 0 && !force) throw hasMembers();
  await db.query(defineDraw(seed));
  const until = new Date(Math.floor(ctx.clock.now().getTime() / 86_400_000) * 86_400_000);
  await db.query(
    "SELECT make_messages_partition(($1::timestamptz - make_interval(months => n))::date) FROM generate_series(0, 12) AS n",
    [until],
  );
  const bulk = await bulkOf(db, filled, ["messages", "campaigns"]);
  for (const sql of bulk.drop) await db.query(sql);

  await fillMembers(db, ctx, { members, seed, base, until, tell });
  await step("what they are found by", insertSearch, [base]);
  const tags = await makeTags(db);
  const shares = [tags.map(({ id }) => id), tags.map(({ share }) => share)];
  await step("tags of members", insertTagged, [base, ...shares, until]);
  const stays = await step("stays", insertStays, [
    base,
    until,
    words.rooms.map(({ type }) => type),
    words.rooms.map(({ price }) => price),
  ]);
  const { recipients } = await fillCampaigns(db, { base, until, tags, tell });
  const messages = await step("messages", insertMessages, [base, until, words.questions, words.answers]);
  await makeAutoResponses(db);
  for (const sql of bulk.make) await step(sql.slice(0, 100), sql);
  for (const sql of recount) await db.query(sql);
  await db.query("SELECT setval(pg_get_serial_sequence('members', 'id'), $1)", [base + members]);
  return {
    members,
    tags: tags.length + words.campaigns.length,
    stays,
    campaigns: words.campaigns.length,
    recipients,
    messages,
  };
}

interface Filling {
  base: number;
  until: Date;
  tell(line: string): void;
}

async function fillMembers(
  db: ClientBase,
  ctx: Pick<Context, "secrets">,
  { members, seed, base, until, tell }: Filling & { members: number; seed: number },
): Promise<void> {
  const { surnameLots, givenCharacters, nicknameEndings, mailDomains } = words;
  const names = [
    nicknameEndings,
    mailDomains,
    surnameLots.map(({ character }) => character),
    surnameLots.map(({ roman }) => roman),
    givenCharacters.map(({ character }) => character),
    givenCharacters.map(({ roman }) => roman),
  ];
  for (let from = 1; from <= members; from += atOnce) {
    const to = Math.min(members, from + atOnce - 1);
    const numbers = idNumbers(ctx, { from, to, base, seed });
    await db.query(insertMembers, [
      from,
      to,
      members,
      base,
      until,
      numbers.map(({ sealed }) => sealed),
      numbers.map(({ place }) => place),
      numbers.map(({ hash }) => hash),
      ...names,
    ]);
    tell(`${to.toLocaleString("en")} of ${members.toLocaleString("en")} members`);
  }
}

/** Two of three have one, of the form of Taiwan's. */
function idNumbers(
  ctx: Pick<Context, "secrets">,
  { from, to, base, seed }: { from: number; to: number; base: number; seed: number },
) {
  const numbers = [];
  for (let place = from; place <= to; place++) {
    if (place % 3 === 0) continue;
    // A bijection of the places, so that no two are the same.
    const digits = ((base + place) * 7_654_321 + seed) % 99_999_989;
    const letter = String.fromCharCode(65 + (place % 26));
    numbers.push({ place, ...sealIdNumber(ctx, `${letter}${1 + (place % 2)}${String(digits).padStart(8, "0")}`) });
  }
  return numbers;
}

type SeedTag = { id: string; name: string; share: number };

/** Those that are there already are used. */
async function makeTags(db: ClientBase): Promise<SeedTag[]> {
  const tags: SeedTag[] = [];
  for (const [name, share] of words.memberTags) tags.push({ id: await makeTag(db, name, "member", null), name, share });
  return tags;
}

async function makeTag(db: ClientBase, name: string, type: string, campaign: string | null): Promise<string> {
  const { rows } = await db.query<{ id: string }>(
    `INSERT INTO tags (name, type, source, campaign_id) VALUES ($1, $2, $3, $4)
     ON CONFLICT (type, name) DO UPDATE SET campaign_id = EXCLUDED.campaign_id RETURNING id`,
    [name, type, type === "member" ? "api" : "manual", campaign],
  );
  return rows[0]?.id ?? "";
}

async function fillCampaigns(db: ClientBase, { base, until, tags, tell }: Filling & { tags: SeedTag[] }) {
  let recipients = 0;
  const sent: { campaign: string; tag: string }[] = [];
  for (const [place, { title, daysAgo, tags: names, opened, clicked }] of words.campaigns.entries()) {
    const tag = await makeTag(db, title, "interaction", null);
    const at = daysAgo === undefined ? undefined : new Date(until.getTime() - daysAgo * 86_400_000 + 10 * 3_600_000);
    const include = tags.filter(({ name }) => names?.includes(name)).map(({ id }) => Number(id));
    const isSent = daysAgo !== undefined && daysAgo > 0;
    const { rows } = await db.query<{ id: string }>(insertCampaign, [
      title,
      `${title}：會員專屬住房優惠，名額有限。`,
      JSON.stringify([
        { label: "立即訂房", action_url: "https://hotel.example/book", interaction_tag_id: Number(tag) },
      ]),
      JSON.stringify(names ? { type: "tags", include_tags: include } : { type: "all" }),
      isSent ? "sent" : at ? "scheduled" : "draft",
      at,
      new Date((isSent && at ? at : until).getTime() - 3 * 86_400_000),
    ]);
    const campaign = rows[0]?.id ?? "";
    await db.query("UPDATE tags SET campaign_id = $2 WHERE id = $1", [tag, campaign]);
    if (!isSent) continue;
    tell(`campaign ${title}`);
    const values = [campaign, at, names ? include : null, opened, clicked, base, place, until];
    recipients += (await db.query(insertRecipients, values)).rowCount ?? 0;
    sent.push({ campaign, tag });
  }
  const campaigns = sent.map(({ campaign }) => campaign);
  tell("what was clicked");
  await db.query(insertBatches, [campaigns]);
  await db.query(insertTriggers, [campaigns, sent.map(({ tag }) => tag)]);
  await db.query(insertTriggered, [campaigns]);
  await db.query(countCampaigns, [campaigns]);
  return { recipients };
}

const insertCampaign = `
  WITH template AS (
    INSERT INTO message_templates (type, name, content, buttons, notification_text, preview_text, created_at)
    VALUES ('text_button', $1, $2, $3, $1, $1, $7) RETURNING *)
  INSERT INTO campaigns (title, template_id, target_audience, status, scheduled_at, sent_at, finished_at, sent_template, created_at)
  SELECT $1, id, $4, $5, $6::timestamptz, CASE WHEN $5 = 'sent' THEN $6 END, CASE WHEN $5 = 'sent' THEN $6 + interval '10 minutes' END,
         CASE WHEN $5 = 'sent' THEN to_jsonb(template) || '{"carousel_items": []}' END, $7 FROM template
  RETURNING id`;

async function makeAutoResponses(db: ClientBase): Promise<void> {
  for (const [place, { name, type, content, keywords }] of words.autoResponses.entries()) {
    const hours = type === "time" ? ["22:00", "08:00"] : [null, null];
    const { rows } = await db.query<{ id: string }>(
      `INSERT INTO auto_responses (name, trigger_type, content, trigger_time_start, trigger_time_end, trigger_count, success_count)
       VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
      [name, type, content, ...hours, 1000 - place * 90, 990 - place * 91],
    );
    for (const keyword of keywords) {
      await db.query(
        "INSERT INTO auto_response_keywords (auto_response_id, keyword, folded, match_count) VALUES ($1, $2, $3, $4)",
        [rows[0]?.id, keyword, fold(keyword), 100 + keyword.length],
      );
    }
  }
}
