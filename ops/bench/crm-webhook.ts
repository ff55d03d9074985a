/** LINE's webhook at 500 events a second: how soon each is answered, and whether handling them keeps up. */
import { Agent, request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { lineUser, lineUserId, signWebhook } from "../e2e/stand-ins/line-webhook.ts";
import { startLine, type LineStandIn } from "../e2e/stand-ins/line.ts";
import type { App } from "./app.ts";
import { number, perSecond, Series, type Plan, type Report, type Sample } from "./measure.ts";
import { startServers, until, type System } from "./system.ts";

const eventsPerSecond = 500;
const guests = 2000;
const target = { p99Ms: 200 };
const webhook = "crm/line/webhook";
const handlers = "crm/line/handle-event,crm/line/sweep";

/** Every fourth message has a keyword in it, and is answered. */
const texts = ["早安", "請問幾點可以入住?", "有什麼優惠嗎?", "謝謝"];

export async function measureWebhook(plan: Plan): Promise<Report> {
  const [servers, line] = await Promise.all([startServers(plan.tell), startLine({ keepMessages: false })]);
  try {
    const system = await servers.newSystem("webhook", plan.workers, line.env);
    await system.db.query(
      `WITH rule AS (INSERT INTO auto_responses (name, trigger_type, content) VALUES ('b', 'keyword', '目前的優惠:…') RETURNING id)
       INSERT INTO auto_response_keywords (auto_response_id, keyword, folded) SELECT id, '優惠', '優惠' FROM rule`,
    );
    const apps = await Promise.all([system.start("webhook", webhook), system.start("handlers", handlers)]);
    await runOnce(system, line, apps, Math.min(plan.seconds, 2));
    const series = new Series();
    for (let round = 0; round < plan.rounds; round++) {
      const sample = await runOnce(system, line, apps, plan.seconds);
      series.add("webhook", sample);
      const found = Object.entries(sample).map(([name, value]) => `${name} ${value.toFixed(1)}`);
      plan.tell(`  ${round + 1}/${plan.rounds}  ${found.join(", ")}`);
    }
    const common = { peers: "", ceiling: "", ratio: "" };
    const ms = (what: string) => `${number(series.median("webhook", what))} ms`;
    return {
      rows: [
        {
          measurement: `LINE's webhook: ${eventsPerSecond} events/s, p50 and p99 until 200`,
          ours: `${ms("p50Ms")}, ${ms("p99Ms")}`,
          target: `p99 < ${target.p99Ms} ms`,
          ...common,
        },
        {
          measurement: "  processor time of an event: taking it, handling it",
          ours: `${number(series.median("webhook", "takingUs"))} µs, ${number(series.median("webhook", "handlingUs"))} µs`,
          target: "",
          ...common,
        },
        {
          measurement: "  handled meanwhile and after, answers sent",
          ours: perSecond(series.median("webhook", "handledPerSecond")),
          target: "",
          ...common,
        },
      ],
      samples: series.toJSON(),
    };
  } finally {
    await servers.close();
    await line.close();
  }
}

async function runOnce(
  { db }: System,
  line: LineStandIn,
  [taker, handler]: [App, App],
  seconds: number,
): Promise<Sample> {
  await db.query("TRUNCATE line_events, messages");
  const total = Math.round(eventsPerSecond * seconds);
  const bodies = Array.from({ length: total }, (_, index) => {
    const event = lineUser(lineUserId(index % guests), line.replyToken).says(texts[index % texts.length] ?? "");
    return JSON.stringify({ destination: lineUserId(0), events: [event] });
  });
  const signed = bodies.map((body) => ({ body, signature: signWebhook(body, line.secret) }));
  const from = performance.now();
  const cpu = [taker.cpuSeconds(), handler.cpuSeconds()] as const;
  const latencies = await postAtPace(`${taker.url}/webhooks/line`, signed);
  await until("events are handled", async () => {
    const { rows } = await db.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM line_events WHERE state = 'handled'",
    );
    return total - (rows[0]?.n ?? 0);
  });
  const handledPerSecond = total / ((performance.now() - from) / 1000);
  const { rows } = await db.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM messages WHERE direction = 'outgoing'",
  );
  if (rows[0]?.n !== total / texts.length) throw new Error(`${rows[0]?.n} answers to ${total} messages`);
  const cpuUs = (app: App, before: number) => ((app.cpuSeconds() - before) / total) * 1e6;
  return {
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    handledPerSecond,
    takingUs: cpuUs(taker, cpu[0]),
    handlingUs: cpuUs(handler, cpu[1]),
  };
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

/** Milliseconds from when each was due until its answer, whether or not the answers keep up. */
async function postAtPace(url: string, bodies: readonly { body: string; signature: string }[]): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 512 });
  const start = performance.now();
  const answers = bodies.map(async ({ body, signature }, index) => {
    const due = start + (index * 1000) / eventsPerSecond;
    await wait(Math.max(0, due - performance.now()));
    const status = await post(agent, url, body, signature);
    if (status !== 200) throw new Error(`the webhook answered ${status}`);
    return performance.now() - due;
  });
  const latencies = await Promise.all(answers);
  agent.destroy();
  return latencies;
}

function post(agent: Agent, url: string, body: string, signature: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-line-signature": signature,
  };
  request(url, { method: "POST", agent, headers }, (response) => {
    response.resume();
    response.once("end", () => resolve(response.statusCode ?? 0));
  })
    .once("error", reject)
    .end(body);
  return promise;
}
