/** What the stories of campaigns share: members, templates, campaigns, and the wait for one to end. */
import { Type, type Static } from "typebox";
import { dataOf, Exactly, startCrm, type Crm } from "./crm.ts";
import { lineUserId } from "./stand-ins/line-webhook.ts";
import { startLine, type LineStandIn } from "./stand-ins/line.ts";
import { stopAll } from "./system.ts";
import { eventually } from "../harness/test.ts";

export const OrNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

const Count = Type.Integer({ minimum: 0 });
const Rate = Type.Number({ minimum: 0, maximum: 100 });
const Time = Type.String({ format: "date-time" });

export const Card = Exactly({
  id: Type.Integer(),
  image_url: Type.String(),
  title: OrNull(Type.String()),
  description: OrNull(Type.String()),
  price: OrNull(Type.Number()),
  action_url: OrNull(Type.String()),
  interaction_tag_id: OrNull(Type.Integer()),
  sort_order: Type.Integer(),
});

export const Template = Exactly({
  id: Type.Integer(),
  type: Type.String(),
  name: OrNull(Type.String()),
  content: OrNull(Type.String()),
  buttons: OrNull(Type.Array(Type.Unknown())),
  notification_text: OrNull(Type.String()),
  preview_text: OrNull(Type.String()),
  interaction_tag_id: OrNull(Type.Integer()),
  interaction_result: Type.Unknown(),
  carousel_items: Type.Array(Card),
  created_at: Time,
});

const figures = { sent_count: Count, opened_count: Count, clicked_count: Count, open_rate: Rate, click_rate: Rate };
const times = { scheduled_at: OrNull(Time), sent_at: OrNull(Time), created_at: Time };

export const Item = Exactly({
  id: Type.Integer(),
  title: Type.String(),
  template: Exactly({ id: Type.Integer(), type: Type.String(), name: OrNull(Type.String()) }),
  status: Type.String(),
  ...figures,
  ...times,
});

export const Detail = Exactly({
  id: Type.Integer(),
  title: Type.String(),
  template_id: Type.Integer(),
  template: Template,
  target_audience: Type.Record(Type.String(), Type.Unknown()),
  trigger_condition: OrNull(Type.Record(Type.String(), Type.Unknown())),
  tracking: Type.String(),
  status: Type.String(),
  ...figures,
  ...times,
  audience_count: Count,
  failed_count: Count,
  paused_at: OrNull(Time),
  finished_at: OrNull(Time),
  error_message: OrNull(Type.String()),
  line_insight: Type.Unknown(),
  created_by: OrNull(Exactly({ id: Type.Integer(), username: Type.String(), full_name: OrNull(Type.String()) })),
});
export type Detail = Static<typeof Detail>;

export const Begun = Exactly({ campaign_id: Type.Integer(), sent_count: Count, sent_at: Time });
export const Standing = Exactly({ campaign_id: Type.Integer(), status: Type.String(), sent_count: Count });

/** A member, and his id at LINE. */
export interface Guest {
  id: number;
  uid: string;
}

/** Milliseconds that a campaign may take on a machine that is busy with others. */
const patience = 100_000;

export function campaigns(crm: Crm, line?: LineStandIn) {
  let lastMember = 0;
  let lastTag = 0;
  const api = {
    /** Members whom LINE reaches, and their ids there. `columns`: of the table, for all of them. */
    async members(count: number, columns: Readonly<Record<string, unknown>> = {}): Promise<Guest[]> {
      const uids = Array.from({ length: count }, () => lineUserId(++lastMember));
      const names = Object.keys(columns);
      const more = names.map((name, index) => [name, `$${index + 2}`] as const);
      const { rows } = await crm.database.query<{ id: number; uid: string }>(
        `INSERT INTO members (line_uid, source, friended_at${more.map(([name]) => `, ${name}`).join("")})
         SELECT uid, 'line', now()${more.map(([, place]) => `, ${place}`).join("")}
         FROM unnest($1::text[]) WITH ORDINALITY AS given (uid, place) ORDER BY place
         RETURNING id::float8 AS id, line_uid AS uid`,
        [uids, ...names.map((name) => columns[name])],
      );
      return rows;
    },
    async tag(name: string, members: readonly { id: number }[], type = "member"): Promise<number> {
      const { rows } = await crm.database.query<{ id: number }>(
        "INSERT INTO tags (name, type) VALUES ($1, $2) RETURNING id::float8 AS id",
        [name, type],
      );
      const id = rows[0]?.id ?? 0;
      await crm.database.query("INSERT INTO member_tag_relations (member_id, tag_id) SELECT unnest($1::bigint[]), $2", [
        members.map((member) => member.id),
        id,
      ]);
      return id;
    },
    async template(body: object = {}): Promise<Static<typeof Template>> {
      return dataOf(
        await crm.post("/templates", { type: "text", name: "Hello", content: "Welcome", ...body }),
        Template,
      );
    },
    /** A campaign for so many new members. */
    async prepared(count: number, body: object = {}): Promise<{ members: Guest[]; id: number }> {
      const members = await api.members(count);
      const tag = await api.tag(`Group ${++lastTag}`, members);
      const campaign = await api.add({ target_audience: { type: "tags", include_tags: [tag] }, ...body });
      return { members, id: campaign.id };
    },
    /** How many messages each of them has got. */
    copies: (members: readonly { uid: string }[]) => members.map(({ uid }) => line?.ledger.count(uid) ?? 0),
    create: async (body: object = {}) => {
      const template_id = "template_id" in body ? body.template_id : (await api.template()).id;
      return await crm.post("/campaigns", { title: "Autumn", target_audience: { type: "all" }, ...body, template_id });
    },
    /** Adds a campaign that has to be taken. */
    add: async (body: object = {}): Promise<Detail> => dataOf(await api.create(body), Detail),
    send: async (id: number) => dataOf(await crm.post(`/campaigns/${id}/send`), Begun),
    read: async (id: number): Promise<Detail> => dataOf(await crm.get(`/campaigns/${id}`), Detail),
    /** Waits until a campaign is as wanted, and returns it. */
    async until(id: number, what: string, isSo: (campaign: Detail) => boolean, within = patience): Promise<Detail> {
      let last: Detail | undefined;
      const check = async () => isSo((last = await api.read(id)));
      await eventually(check, { what: `campaign ${id}: ${what}`, within }).catch((cause: unknown) => {
        const { template: _, ...shown } = last ?? { template: 0 };
        throw new Error(`campaign ${id}: not ${what}: ${JSON.stringify(shown)}`, { cause });
      });
      return last ?? (await api.read(id));
    },
    /** Waits until nothing of a campaign is with LINE or waits any more. */
    async settled(id: number, within = patience): Promise<Detail> {
      await api.until(id, "ended", ({ status }) => /sent|failed|cancelled/.test(status), within);
      const busy = "SELECT count(*)::int AS n FROM campaign_batches WHERE campaign_id = $1 AND state = 'sending'";
      await eventually(async () => (await crm.database.query<{ n: number }>(busy, [id])).rows[0]?.n === 0, {
        what: `no batch of campaign ${id} is with LINE`,
        within,
      });
      return await api.read(id);
    },
    async recipients(
      id: number,
      query = "",
    ): Promise<{ status: string; member: { id: number }; error_message: string | null }[]> {
      const answer = await crm.get(`/campaigns/${id}/recipients?page_size=100${query}`);
      return dataOf(answer, Recipients).items;
    },
  };
  return api;
}

/** The CRM beside a LINE of its own. */
export async function startCampaigns() {
  const line = await startLine();
  const crm = await startCrm({ env: { ...line.env, PUBLIC_URL: "https://crm.hotel.example" } });
  return {
    line,
    crm,
    api: campaigns(crm, line),
    /** LINE does as it should again, and asks for no more than it is paid for. */
    calm() {
      line.always("push", undefined);
      line.always("multicast", undefined);
      Object.assign(line.quota, { limit: null, used: 0 });
    },
    async close() {
      await crm.close();
      await stopAll();
      await line.close();
    },
  };
}

/** Requests of a kind that LINE got after the first `from`. */
export const requestsOf = (line: LineStandIn, step: "push" | "multicast", from: number) =>
  line.requests.slice(from).filter((request) => request.step === step);

export const Recipient = Exactly({
  member: Exactly({ id: Type.Integer(), name: OrNull(Type.String()), email: OrNull(Type.String()) }),
  sent_at: OrNull(Time),
  opened_at: OrNull(Time),
  clicked_at: OrNull(Time),
  status: Type.String(),
  error_message: OrNull(Type.String()),
});
export const Recipients = Exactly({
  items: Type.Array(Recipient),
  total: Count,
  page: Count,
  page_size: Count,
  total_pages: Count,
});
