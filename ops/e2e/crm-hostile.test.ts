/** What nobody means well: every route answers it as the caller's mistake, and none falls over. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataOf, problemOf, startCrm, type Crm } from "./crm.ts";
import { stopAll, type Answer } from "./system.ts";

const story = suite("CRM: hostile input");

let crm: Crm;

story.before(async () => {
  const routes = ["auth", "users", "members", "tags", "templates", "campaigns", "pms", "tracking"].map(
    (area) => `crm/${area}/*`,
  );
  const FUNCTIONS = [...routes, "crm/auto-responses/*", "crm/messages/list", "crm/messages/conversation"].join();
  crm = await startCrm({ env: { FUNCTIONS } });
});
story.after(async () => {
  await stopAll();
  await crm.close();
});

/** Whoever falls over; all other answers are fine here, what they are in detail is told elsewhere. */
function watch() {
  const fallen: string[] = [];
  return {
    fallen,
    tell(what: unknown, { status, text }: Answer) {
      if (status >= 500) fallen.push(`${JSON.stringify(what).slice(0, 200)}: ${text}`);
    },
  };
}

const made = async (path: string, body: object) =>
  dataOf(await crm.post(path, body), Type.Object({ id: Type.Integer() })).id;

story("texts that no database takes, in every field", async () => {
  const { tell, fallen } = watch();
  const member = await made("/members", { first_name: "小明" });
  const tag = await made("/tags", { name: "VIP會員", type: "member" });
  const rule = await made("/auto-responses", { name: "歡迎", trigger_type: "welcome", content: "歡迎" });
  const url = "https://hotel.example/";
  for (const bad of ["a\u0000b", "a\ud800b"]) {
    const fields = ["email", "phone", "first_name", "gender", "birthday", "id_number", "line_uid", "notes"];
    for (const body of fields.map((field) => ({ [field]: bad }))) {
      const answer = await crm.put(`/members/${member}`, body);
      assert.is(answer.status, 400, JSON.stringify(body));
    }
    const answers = [
      await crm.put(`/members/${member}`, { line_picture_url: `${url}${bad}` }),
      await crm.put(`/members/${member}/notes`, { notes: bad }),
      await crm.put(`/tags/${tag}`, { description: bad }),
      await crm.put(`/auto-responses/${rule}`, { content: bad }),
      await crm.post("/pms/sync", { sync_type: bad }),
    ];
    assert.equal([...new Set(answers.map(({ status }) => status))], [400]);
    for (const body of [
      { interaction_result: { a: [bad] } },
      { interaction_result: { [bad]: 1 } },
      { notification_text: bad },
      { buttons: [{ label: bad }] },
      { buttons: [{ label: "好", action_url: `${url}${bad}` }] },
      { carousel_items: [{ image_url: `${url}${bad}` }] },
      { carousel_items: [{ image_url: url, title: bad }] },
    ]) {
      tell(body, await crm.post("/templates", { type: "text", content: "好", ...body }));
    }
    tell("sign in", await crm.post("/auth/login", { username: bad, password: bad }));
    tell("user", await crm.post("/users", { username: "x", email: "x@x.tw", password: `${bad}12345`, full_name: bad }));
  }
  assert.equal(fallen, []);
});

story("more than a column holds, in what a template's type does not show as well", async () => {
  const { tell, fallen } = watch();
  const member = await made("/members", { first_name: "😀".repeat(50), line_display_name: "😀".repeat(100) });
  tell("families", await crm.put(`/members/${member}`, { first_name: "👨‍👩‍👧‍👦".repeat(50) }));
  tell("marks", await crm.put(`/members/${member}`, { last_name: `e${"\u0301".repeat(3)}`.repeat(50) }));
  tell("tag", await crm.post("/tags", { name: "👨‍👩‍👧‍👦".repeat(50), type: "member" }));
  const image = { image_url: "https://hotel.example/1.jpg" };
  for (const card of [
    { image_url: `https://hotel.example/${"a".repeat(600)}` },
    { ...image, title: "字".repeat(101) },
    { ...image, description: "字".repeat(201) },
    { ...image, price: 99_999_999.999 },
    { ...image, sort_order: 2 ** 40 },
  ]) {
    const answer = await crm.post("/templates", { type: "text", content: "好", carousel_items: [card] });
    assert.is(answer.status, 400, JSON.stringify(card).slice(0, 100));
  }
  assert.equal(fallen, []);
});

story("days that are none", async () => {
  for (const day of ["0000-01-01", "2026-02-30", "2026-13-01", "20260101", "' OR 1=1"]) {
    const query = `start_date=${encodeURIComponent(day)}`;
    for (const path of [`/messages?${query}`, `/campaigns?${query}`])
      assert.is((await crm.get(path)).status, 400, path);
    assert.is((await crm.post("/members", { first_name: "小明", birthday: day })).status, 400, day);
  }
  const { tell, fallen } = watch();
  for (const day of ["0001-01-01", "9999-12-31"]) {
    for (const path of ["/messages", "/campaigns"])
      tell(day, await crm.get(`${path}?start_date=${day}&end_date=${day}`));
  }
  assert.equal(fallen, []);
});

story("ids that are none, and pages that nobody reaches", async () => {
  const { tell, fallen } = watch();
  const member = await made("/members", { first_name: "小明" });
  const lists = ["/members", "/tags", "/messages", "/templates", "/campaigns", "/users", "/pms/reviews"];
  for (const id of ["9007199254740991", "9007199254740993", "9".repeat(40), "-1", "1e3", "abc", "%00", "1.5", "%F0"]) {
    for (const path of ["members", "tags", "templates", "auto-responses", "messages/conversation", "pms/sync-status"])
      tell(path, await crm.get(`/${path}/${id}`));
    for (const path of lists) tell(path, await crm.get(`${path}?page=${id}&page_size=${id}`));
    tell("tags", await crm.get(`/members?tags=${id}`));
    tell("search", await crm.get(`/members?search=${id}`));
    tell("member", await crm.get(`/messages?member_id=${id}`));
    tell("add", await crm.post(`/members/${member}/tags`, { tag_ids: [Number(id)] }));
    tell("take", await crm.delete(`/members/${member}/tags/${id}`));
    tell("delete", await crm.delete(`/members/${id}`));
    tell("review", await crm.post(`/pms/reviews/${id}`, { create: true }));
    tell("link", await crm.system.call(`/r/${id}`, { method: "GET" }));
  }
  for (const path of lists) tell(path, await crm.get(`${path}?page=1000000000&page_size=100`));
  assert.equal(fallen, []);
});

const Shown = Type.Object({
  title: Type.Optional(Type.String()),
  status: Type.Optional(Type.String()),
  sent_count: Type.Optional(Type.Integer()),
  trigger_condition: Type.Optional(Type.Unknown()),
  buttons: Type.Optional(Type.Unknown()),
});

story("what a client adds to a campaign or a template is not taken over, however deep it is", async () => {
  const template = await made("/templates", { type: "text", content: "好" });
  const audience = { target_audience: { type: "all" } };
  const id = await made("/campaigns", { title: "Quiet", template_id: template, ...audience });
  const added = { status: "sent", sent_count: 7, sent_at: "2026-01-20T10:05:00Z", created_at: "2020-01-01T00:00:00Z" };
  const changed = dataOf(await crm.put(`/campaigns/${id}`, { title: "Quieter", ...added }), Shown);
  assert.equal([changed.title, changed.status, changed.sent_count], ["Quieter", "draft", 0]);

  const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
  const trigger = `"trigger_condition":{"type":"friend_days","days_range":[0,7],"other":${deep}}`;
  const campaign = await crm.put(`/campaigns/${id}`, `{"title":"Quiet","other":${deep},${trigger}}`);
  assert.equal(dataOf(campaign, Shown).trigger_condition, { type: "friend_days", days_range: [0, 7] });
  const buttons = `"type":"text_button","buttons":[{"label":"好","other":${deep}}]`;
  const shown = dataOf(await crm.put(`/templates/${template}`, `{"other":${deep},${buttons}}`), Shown);
  assert.equal(shown.buttons, [{ label: "好", action_url: null, interaction_tag_id: null }]);
  const refused = await crm.put(`/templates/${template}`, `{"interaction_result":${deep}}`);
  assert.equal(
    problemOf(refused, 400).errors.map(({ field }) => field),
    ["interaction_result"],
  );
});

story.run();
