/** What the stories of members share: members as their API shows them, and how they are added, tagged and found. */
import { Type } from "typebox";
import { dataOf, Exactly, PageOf, startCrm, type Crm } from "./crm.ts";
import { stopAll } from "./system.ts";

export const Text = Type.Union([Type.String(), Type.Null()]);
export const TagOfMember = Exactly({
  id: Type.Integer(),
  name: Type.String(),
  type: Type.Enum(["member", "interaction"]),
});
const Listed = Exactly({
  id: Type.Integer(),
  line_uid: Text,
  line_display_name: Text,
  first_name: Text,
  last_name: Text,
  email: Text,
  phone: Text,
  tags: Type.Array(TagOfMember),
  created_at: Type.String(),
  last_interaction_at: Text,
});
export const Detail = Exactly({
  id: Type.Integer(),
  line_uid: Text,
  line_display_name: Text,
  line_picture_url: Text,
  first_name: Text,
  last_name: Text,
  gender: Text,
  birthday: Text,
  email: Text,
  phone: Text,
  id_number: Text,
  source: Type.String(),
  accept_marketing: Type.Boolean(),
  notes: Text,
  tags: Type.Array(TagOfMember),
  consumption_summary: Exactly({
    total_amount: Type.Number(),
    total_orders: Type.Integer(),
    average_amount: Type.Number(),
  }),
  created_at: Type.String(),
  last_interaction_at: Text,
});
export const ming = {
  last_name: "王",
  first_name: "小明",
  gender: "male",
  birthday: "1988-05-20",
  email: "wang.ming@email.com",
  phone: "0912-345-678",
  id_number: "A123456789",
  line_uid: "U1234567890abcdef",
  line_display_name: "小明的日常",
  notes: "常預訂商務房型",
};

export function members(crm: Crm) {
  const api = {
    add: async (member: object) => dataOf(await crm.post("/members", member), Detail),
    list: async (query: string) => dataOf(await crm.get(`/members?${query}`), PageOf(Listed)),
    /** The ids of a list, in its order. */
    found: async (query: string) => (await api.list(query)).items.map(({ id }) => id),
    search: async (text: string) => await api.found(`search=${encodeURIComponent(text)}`),
    tag: async (name: string, type = "member") =>
      dataOf(await crm.post("/tags", { name, type }), Type.Object({ id: Type.Integer() })).id,
    tagMember: async (id: number, tags: number[]) => await crm.post(`/members/${id}/tags`, { tag_ids: tags }),
    /** Takes away whatever a story has left. */
    clear: async () => void (await crm.database.query("DELETE FROM members; DELETE FROM tags")),
  };
  return api;
}

/** The CRM with members and tags alone. */
export async function startMembers() {
  const crm = await startCrm({ env: { FUNCTIONS: "crm/members/*,crm/tags/*" } });
  return {
    crm,
    api: members(crm),
    async close() {
      await stopAll();
      await crm.close();
    },
  };
}
