/** How long a page of history takes, with its total, among ten million mails. */
import { clientId, generate } from "./generate.ts";
import { interleave, latencies, number, type Contender, type Plan, type Report } from "./measure.ts";
import { askAtPace } from "./pace.ts";
import { profiled } from "./profile.ts";
import { roles, startServers } from "./system.ts";

const rate = 50;
const statuses = ["queued", "processing", "sent", "failed", "cancelled"];

export async function measureHistory(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const system = await servers.newSystem("history", plan.workers);
    await generate(system.databaseUrl, plan.mails, plan.tell);
    const api = await system.start("api", roles.api, profiled(plan, "history-api"));
    const authorizations = {
      big: await system.newAuthorization("mail:read", clientId(1)),
      small: await system.newAuthorization("mail:read", clientId(40)),
      admin: await system.newAuthorization("admin"),
    };
    const read = async (who: keyof typeof authorizations, query = "") => {
      const headers = { authorization: authorizations[who] };
      const reply = await fetch(`${api.url}/api/v1/mail/history${query}`, { headers });
      return (await reply.json()) as Page;
    };
    const contender = (name: string, who: keyof typeof authorizations, query: string): Contender => ({
      name,
      measure: (seconds) =>
        askAtPace({
          url: api.url,
          authorization: authorizations[who],
          perSecond: rate,
          seconds,
          path: () => `/api/v1/mail/history${query}`,
        }),
    });
    /** Each page from where the one before ended; at the end from the start. */
    const byCursor: Contender = {
      name: "by cursor, 100 each",
      measure(seconds) {
        let cursor: string | null = null;
        return askAtPace({
          url: api.url,
          authorization: authorizations.big,
          perSecond: rate,
          seconds,
          connections: 1,
          path: () => `/api/v1/mail/history?limit=100${cursor === null ? "" : `&cursor=${cursor}`}`,
          onAnswer: (body) => (cursor = (JSON.parse(body) as Page).next_cursor),
        });
      },
    };
    const big = `client of ${number((await read("big")).total)}`;
    const contenders = [
      contender(big, "big", ""),
      contender(`client of ${number((await read("small")).total)}`, "small", ""),
      contender(`admin, ${number((await read("admin")).total)}`, "admin", ""),
      ...statuses.map((status) => contender(`${big}, ${status}`, "big", `?status=${status}`)),
      ...statuses.map((status) => contender(`admin, ${status}`, "admin", `?status=${status}`)),
      contender("page 1001 of 100 each", "big", "?page=1001&limit=100"),
      byCursor,
    ];
    for (const { measure } of contenders) await measure(1);
    const series = await interleave(contenders, plan);
    const rows = contenders.map(({ name }, index) => ({
      measurement: `${index === 0 ? "history: " : "  "}${name}`,
      ours: latencies(series, name),
      peers: "",
      ceiling: "",
      ratio: "",
      target: index < contenders.length - 2 ? "p95 < 20 ms" : "",
    }));
    return { rows, samples: series.toJSON() };
  } finally {
    await servers.close();
  }
}

interface Page {
  total: number;
  next_cursor: string | null;
}
