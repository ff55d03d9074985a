/** How long a client waits for the status of a mail that the cache knows, at a steady thousand requests a second. */
import { latencies, number, interleave, type Plan, type Report } from "./measure.ts";
import { askAtPace } from "./pace.ts";
import { startPosting } from "./post.ts";
import { profiled } from "./profile.ts";
import { mail, roles, startServers, until, type System } from "./system.ts";

const rate = 1000;
const mails = 1000;

export async function measureStatus(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const system = await servers.newSystem("status", plan.workers);
    const api = await system.start("api", roles.api, profiled(plan, "status-api"));
    const ids = await sentMails(system, `${api.url}/api/v1/mail/send`);
    // From here on only the cache can answer.
    await system.empty();
    let next = 0;
    const ask = (seconds: number) =>
      askAtPace({
        url: api.url,
        authorization: system.authorization,
        perSecond: rate,
        seconds,
        path: () => `/api/v1/mail/status/${ids[next++ % ids.length]}`,
        onAnswer(body) {
          if (!body.includes('"status":"sent"')) throw new Error(`A mail that was sent: ${body}`);
        },
      });
    await ask(3);
    const series = await interleave([{ name: "cached", measure: ask }], plan);
    const row = {
      measurement: `status from the cache, ${number(rate)} requests/s`,
      ours: latencies(series, "cached"),
      peers: "",
      ceiling: "",
      ratio: "",
      target: "p99 < 5 ms",
    };
    return { rows: [row], samples: series.toJSON() };
  } finally {
    await servers.close();
  }
}

/** Ids of mails that have been sent, and nothing else of them. */
async function sentMails(system: System, url: string): Promise<string[]> {
  const worker = await system.start("worker", roles.worker);
  const posting = startPosting(url, {
    connections: 16,
    authorization: system.authorization,
    body: JSON.stringify(mail),
    mayPost: (begun) => begun < mails,
  });
  const sent = async () => (await system.db.query<{ id: string }>("SELECT id FROM mails WHERE status = 'sent'")).rows;
  await until("mails are sent", async () => mails - (await sent()).length);
  await posting.stop();
  const ids = (await sent()).map(({ id }) => id);
  // In good order: what it still had to tell the cache is told.
  await worker.stop();
  return ids;
}
