/** Bodies that hang together in ways that a schema does not tell. */
import { fitting, type Making } from "./fitting.ts";
import type { Operation } from "./operations.ts";
import type { People } from "./people.ts";
import { hex, time } from "./words.ts";

type Make = (making: Making, people: People) => Record<string, unknown>;

const tagged = ({ known, random }: Making) => ({ interaction_tag_id: known.pick("tag", random) ?? null });
const leading = { action_url: "https://example.com/book" };

const template: Make = (making) => {
  const { random } = making;
  const card = { image_url: `https://example.com/${hex(random, 4)}.jpg`, ...leading, ...tagged(making) };
  return random.pick<Record<string, unknown>>([
    { type: "text", name: "好", content: "歡迎 https://example.com/ 光臨" },
    {
      type: "text_button",
      content: "請選",
      buttons: [
        { label: "訂房", ...leading },
        { label: "不", ...tagged(making) },
      ],
    },
    { type: "image_click", notification_text: "看", carousel_items: [card] },
    { type: "image_card", notification_text: "看", carousel_items: [{ ...card, title: "房", price: 3200 }, card] },
  ]);
};

const campaign: Make = (making) => {
  const { random, known } = making;
  const tags = [known.pick("tag", random) ?? 1];
  return {
    title: `Autumn ${hex(random, 4)}`,
    template_id: known.pick("template", random) ?? 1,
    target_audience: random.percent(50) ? { type: "all" } : { type: "tags", include_tags: tags },
    tracking: random.pick(["member", "aggregate"]),
    ...(random.percent(20) && { trigger_condition: { type: "friend_days", days_range: [0, random.between(0, 900)] } }),
    ...(random.percent(20) && { scheduled_at: time(random, 1, 300) }),
  };
};

const autoResponse: Make = ({ random, known }) => ({
  name: `Rule ${hex(random, 4)}`,
  is_active: random.percent(30),
  ...(random.percent(60) ? { content: "您好" } : { template_id: known.pick("template", random) ?? 1 }),
  ...random.pick<Record<string, unknown>>([
    { trigger_type: "welcome" },
    { trigger_type: "keyword", keywords: [`優惠${hex(random, 3)}`, hex(random, 5)] },
    { trigger_type: "time", trigger_time_start: "22:00", trigger_time_end: "07:30" },
  ]),
});

const message: Make = ({ random, known }) => ({
  member_id: known.pick("member", random) ?? 1,
  ...random.pick<Record<string, unknown>>([
    { content: "您的房間好了" },
    { message_type: "image", content: "https://example.com/a.jpg" },
    { message_type: "template", template_id: known.pick("template", random) ?? 1 },
  ]),
  ...(random.percent(20) && { scheduled_at: time(random, 1, 300) }),
});

const makers: Readonly<Record<string, Make>> = {
  "POST /api/schedule/mail": (making) => ({
    progcode: "FUZZ",
    sender: "shop@example.com",
    recipients: "ann@example.org",
    subject: "Good day",
    body: "<p>好</p>",
    nextexecutetime: time(making.random, 1, 300),
    ...(making.random.percent(30) && { cronexpr: "30 9 * * MON-FRI", timezone: "Asia/Taipei" }),
  }),
  "POST /api/v1/auth/login": ({ random }, { own }) => {
    const { username, email, password } = random.pick(own);
    return { username: random.pick([username, email, username.toUpperCase()]), password };
  },
  "PUT /api/v1/auth/password": ({ random }, { own }) => ({
    current_password: random.pick(own).password,
    new_password: `correct horse ${hex(random, 6)}`,
  }),
  "POST /api/v1/auto-responses": autoResponse,
  "PUT /api/v1/auto-responses/{id}": autoResponse,
  "POST /api/v1/campaigns": campaign,
  "PUT /api/v1/campaigns/{id}": campaign,
  "POST /api/v1/messages": message,
  "POST /api/v1/tags": ({ random }) => ({
    name: `標籤 ${hex(random, 6)}`,
    type: random.pick(["member", "interaction"]),
  }),
  "POST /api/v1/templates": template,
  "PUT /api/v1/templates/{id}": template,
};

/** A body that the operation takes: mostly one that also makes sense. */
export function goodBody({ name, body = {} }: Operation, making: Making, people: People): unknown {
  const make = Object.hasOwn(makers, name) ? makers[name] : undefined;
  return make && making.random.percent(70) ? make(making, people) : fitting(body, making);
}
