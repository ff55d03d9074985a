/** The hotel's side of the fleet: campaigns by the API, and what guests say by LINE's webhook. */
import { randomUUID } from "node:crypto";
import { Client as Database } from "pg";
import { addPerson } from "../e2e/crm.ts";
import { lineUser, lineUserId, redelivered, signWebhook } from "../e2e/stand-ins/line-webhook.ts";
import type { System } from "../e2e/system.ts";
import type { Random } from "../harness/random.ts";
import { makeClient, steadily } from "./client.ts";
import type { Fleet } from "./fleet.ts";

/** A campaign that was told to be sent, known by its text. */
export interface Launched {
  id: number;
  text: string;
  /** Whom it is for, as LINE knows them. */
  to: readonly string[];
}

/** What a guest said: his first and only words. */
export interface Said {
  by: string;
  /** Whether the webhook answered 200. */
  taken: boolean;
}

export interface Hotel {
  readonly campaigns: readonly Launched[];
  readonly said: readonly Said[];
  readonly odd: readonly string[];
  stop(): Promise<void>;
}

/** Events and campaigns a second. */
const rates = { events: 3, campaigns: 1 / 8 };
const groups = 10;
const groupSize = 200;

interface Group {
  tag: number;
  uids: readonly string[];
}

/** Members, tags and an auto response; then campaigns and guests until `stop`. To be started while nothing is broken. */
export async function startHotel(fleet: Fleet, random: Random, seed: number): Promise<Hotel> {
  const campaigns: Launched[] = [];
  const said: Said[] = [];
  const odd: string[] = [];
  const client = makeClient(random, odd);
  const { token, all } = await prepare(fleet);
  const apis: readonly [System, System] = [fleet.processes.api1, fleet.processes.api2];
  const post = (path: string, body: object) => () => ({
    url: `${random.pick(apis).url}/api/v1${path}`,
    init: {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    },
  });
  const isDone = ({ status }: { status: number }) => status === 200;
  /** Should an answer get lost, there are two of them, and one is never used. */
  const make = async (path: string, body: object): Promise<number> => {
    const reply = await client.insist(post(path, body), isDone);
    return Number((reply?.body["data"] as { id?: unknown } | undefined)?.id);
  };

  async function launch(count: number): Promise<void> {
    const text = `chaos ${seed} campaign ${count}`;
    const { tag, uids: to } = all[count % all.length] ?? { tag: 0, uids: [] };
    const template_id = await make("/templates", { type: "text", name: text, content: text });
    const target_audience = { type: "tags", include_tags: [tag] };
    const tracking = count % 2 === 0 ? "aggregate" : "member";
    const id = await make("/campaigns", { title: text, template_id, target_audience, tracking });
    // 409: an earlier try has begun it.
    const begun = await client.insist(post(`/campaigns/${id}/send`, {}), ({ status }) => [200, 409].includes(status));
    if (begun) campaigns.push({ id, text, to });
  }

  /** As LINE does it: again and again until the webhook has answered 200. */
  async function say(): Promise<void> {
    const uid = lineUserId();
    const event = lineUser(uid, fleet.line.replyToken).says("wifi");
    const words = { by: uid, taken: false };
    said.push(words);
    const taken = await client.insist((tries) => {
      const body = JSON.stringify({
        destination: lineUserId(1),
        events: [tries === 0 ? event : redelivered(event)],
      });
      const signature = signWebhook(body, fleet.line.secret);
      const headers = { "content-type": "application/json", "x-line-signature": signature };
      return { url: `${random.pick(apis).url}/webhooks/line`, init: { method: "POST", headers, body } };
    }, isDone);
    words.taken = taken !== undefined;
  }

  await make("/auto-responses", { name: "w", trigger_type: "keyword", keywords: ["wifi"], content: "It is hotel." });
  const ways = [steadily(rates.events, say), steadily(rates.campaigns, launch)];
  return {
    campaigns,
    said,
    odd,
    async stop() {
      await Promise.all(ways.map((way) => way.stop()));
    },
  };
}

async function prepare({ env }: Fleet): Promise<{ token: string; all: Group[] }> {
  const database = new Database({ connectionString: env["DATABASE_URL"] });
  await database.connect();
  try {
    const { token } = await addPerson(database, env["JWT_SECRET"] ?? "", "admin");
    const all: Group[] = [];
    for (let group = 0; group < groups; group++) {
      const uids = Array.from({ length: groupSize }, () => lineUserId());
      const { rows } = await database.query<{ id: string }>(
        `WITH tag AS (INSERT INTO tags (name, type) VALUES ($1, 'member') RETURNING id),
              guest AS (INSERT INTO members (line_uid, source, friended_at) SELECT unnest($2::text[]), 'line', now() RETURNING id),
              tagged AS (INSERT INTO member_tag_relations (member_id, tag_id) SELECT guest.id, tag.id FROM guest, tag)
         SELECT id FROM tag`,
        [`Group ${group} ${randomUUID()}`, uids],
      );
      all.push({ tag: Number(rows[0]?.id), uids });
    }
    return { token, all };
  } finally {
    await database.end();
  }
}
