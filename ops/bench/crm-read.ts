/** How long the CRM's pages take among a million members, with a thousand users who work with them at once. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { seedCrm } from "../../lib/crm/seed/seed.ts";
import { openSecrets } from "../../lib/resources/secrets.ts";
import { systemClock } from "../../runtime/host/call.ts";
import { ownFolder } from "../harness/process.ts";
import { addUsers } from "./crm-users.ts";
import { interleave, latencies, number, type Contender, type Plan, type Report } from "./measure.ts";
import { askAtPace } from "./pace.ts";
import { profiled } from "./profile.ts";
import { startServers, type System } from "./system.ts";

/** Each user looks at something every ten seconds: a hundred requests a second. */
const users = 1000;
const perUser = 0.1;
/** Of one kind of page by itself. */
const rate = 20;

export async function measureCrmRead(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const secret = randomBytes(32).toString("hex");
    const system = await servers.newSystem("crm", plan.workers, { JWT_SECRET: secret });
    await seed(system, plan);
    const tokens = await addUsers(system, secret, users);
    const api = await system.start("crm", "health,crm/**", profiled(plan, "crm"));
    const pages = await answered(api.url, tokens[0] ?? "", await pagesOf(system), plan);
    const ask = (perSecond: number, seconds: number, path: () => string) =>
      askAtPace({ url: api.url, authorization: () => draw(tokens), perSecond, seconds, connections: users, path });
    const contenders: Contender[] = [
      {
        name: `${number(users)} users, all pages`,
        measure: (seconds) => ask(users * perUser, seconds, () => draw(pages).path()),
      },
      ...pages.map(({ name, path }) => ({ name, measure: (seconds: number) => ask(rate, seconds, path) })),
    ];
    for (const { measure } of contenders) await measure(1);
    const series = await interleave(contenders, plan);
    const rows = contenders.map(({ name }, index) => ({
      measurement: `${index === 0 ? "CRM: " : "  "}${name}`,
      ours: latencies(series, name),
      peers: "",
      ceiling: "",
      ratio: "",
      target: "p95 < 150 ms",
    }));
    const memory = { measurement: "  most memory", ours: `${number(api.peakBytes() / 2 ** 20)} MB` };
    return {
      rows: [...rows, { ...memory, peers: "", ceiling: "", ratio: "", target: "" }],
      samples: { ...series.toJSON(), memory: [{ peakBytes: api.peakBytes() }] },
    };
  } finally {
    await servers.close();
  }
}

async function seed({ databaseUrl }: System, { members, tell }: Plan): Promise<void> {
  const secrets = await openSecrets({ keys: [randomBytes(32)], file: join(ownFolder("seed"), "encryption.key") });
  const ctx = { db: { url: databaseUrl }, secrets, clock: systemClock };
  const began = performance.now();
  await seedCrm(ctx, { members, seed: 1, force: false, tell: (line) => tell(`  ${line}`) });
  tell(`  seeded in ${number((performance.now() - began) / 1000)} s`);
}

interface Page {
  name: string;
  /** Another one each time, as users do not all look at the same. */
  path(): string;
}

async function pagesOf({ db }: System): Promise<Page[]> {
  const sample = async (sql: string) => (await db.query<{ value: string }>(sql)).rows.map(({ value }) => value);
  const names = await sample(
    "SELECT last_name || first_name AS value FROM members TABLESAMPLE SYSTEM (1) WHERE last_name <> '' LIMIT 500",
  );
  const phones = await sample("SELECT phone AS value FROM members TABLESAMPLE SYSTEM (1) WHERE phone <> '' LIMIT 500");
  const ids = await sample("SELECT id AS value FROM members TABLESAMPLE SYSTEM (1) LIMIT 5000");
  const tags = await sample("SELECT id AS value FROM tags WHERE member_count > 0");
  const campaigns = await sample("SELECT id AS value FROM campaigns WHERE status = 'sent'");
  const sortings = ["created_at", "last_interaction_at", "last_name", "email"];
  const member = () => `/api/v1/members/${draw(ids)}`;
  const search = (text: string) => `/api/v1/members?search=${encodeURIComponent(text)}`;
  const days = () => {
    const end = new Date(Date.now() - Math.floor(Math.random() * 60) * 86_400_000);
    const start = new Date(end.getTime() - 30 * 86_400_000);
    return `start_date=${start.toISOString().slice(0, 10)}&end_date=${end.toISOString().slice(0, 10)}`;
  };
  return [
    { name: "members", path: () => `/api/v1/members?sort_by=${draw(sortings)}&order=${draw(["asc", "desc"])}` },
    { name: "members, page 2 to 50", path: () => `/api/v1/members?page=${2 + Math.floor(Math.random() * 49)}` },
    { name: "members of a source", path: () => `/api/v1/members?source=${draw(["line", "crm", "system"])}` },
    { name: "members by name", path: () => search(draw(names)) },
    { name: "members by surname", path: () => search(draw(names).slice(0, 1)) },
    { name: "members by phone", path: () => search(draw(phones).slice(0, 8)) },
    { name: "members with a tag", path: () => `/api/v1/members?tags=${draw(tags)}&sort_by=last_interaction_at` },
    { name: "members with tags", path: () => `/api/v1/members?tags=${draw(tags)},${draw(tags)}` },
    { name: "one member", path: member },
    { name: "his stays", path: () => `${member()}/consumption-records` },
    { name: "tags", path: () => "/api/v1/tags" },
    { name: "statistics of tags", path: () => "/api/v1/tags/statistics" },
    { name: "templates", path: () => "/api/v1/templates" },
    { name: "campaigns", path: () => `/api/v1/campaigns?status=${draw(["sent", "scheduled"])}` },
    { name: "one campaign", path: () => `/api/v1/campaigns/${draw(campaigns)}` },
    { name: "its recipients", path: () => `/api/v1/campaigns/${draw(campaigns)}/recipients` },
    { name: "messages", path: () => "/api/v1/messages" },
    { name: "a conversation", path: () => `/api/v1/messages/conversation/${draw(ids)}` },
    { name: "overview", path: () => `/api/v1/analytics/overview?${days()}` },
    { name: "performance of campaigns", path: () => `/api/v1/analytics/campaign-performance?${days()}&limit=10` },
    { name: "distribution of tags", path: () => "/api/v1/analytics/tag-distribution" },
    { name: "trends", path: () => `/api/v1/analytics/trends?metric=sent,opened,clicked&${days()}` },
  ];
}

/** Those that this build has; the others are named. */
async function answered(url: string, authorization: string, pages: readonly Page[], { tell }: Plan): Promise<Page[]> {
  const there: Page[] = [];
  for (const page of pages) {
    const { status } = await fetch(url + page.path(), { headers: { authorization } });
    if (status === 200) there.push(page);
    else tell(`  left out, as it answers ${status}: ${page.name}`);
  }
  return there;
}

function draw<T>(list: readonly T[]): T {
  const drawn = list[Math.floor(Math.random() * list.length)];
  if (drawn === undefined) throw new Error("There is nothing to draw from");
  return drawn;
}
