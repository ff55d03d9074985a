import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventsOf } from "./events.ts";

const test = suite("Events of LINE");
const now = new Date("2026-03-01T12:00:00Z");
const event = (more: object = {}) => ({
  type: "message",
  webhookEventId: "01H",
  timestamp: now.getTime() - 1000,
  source: { type: "user", userId: `U${"0".repeat(32)}` },
  replyToken: "token",
  message: { type: "text", id: "1", text: "早安" },
  ...more,
});
const textOf = (message: unknown) => eventsOf([event({ message })], now)[0]?.content.message;

test("what is acted on is kept, and nothing else of it", () => {
  assert.equal(eventsOf([event({ unknown: "field" })], now), [
    {
      event_id: "01H",
      type: "message",
      line_uid: `U${"0".repeat(32)}`,
      occurred_at: "2026-03-01T11:59:59.000Z",
      content: { replyToken: "token", message: { type: "text", text: "早安" } },
    },
  ]);
});

test("what is no event, or none of a user, is left out", () => {
  const source = { type: "group", groupId: "C1", userId: "U1" };
  const others = [
    null,
    7,
    "x",
    [],
    {},
    { type: "message" },
    event({ type: "beacon" }),
    event({ source }),
    event({ timestamp: "1" }),
  ];
  assert.equal(eventsOf([...others, event({ webhookEventId: "" })], now), []);
  assert.is(eventsOf([...others, event()], now).length, 1);
});

test("other messages than texts are told in a word", () => {
  assert.equal(textOf({ type: "image" }), { type: "image", text: "[圖片]" });
  assert.equal(textOf({ type: "sticker", keywords: ["Happy", "Cat"] }), { type: "sticker", text: "[貼圖] Happy" });
  assert.equal(textOf({ type: "location", title: "飯店", address: "台北市" }), {
    type: "location",
    text: "[位置] 飯店 台北市",
  });
  assert.equal(textOf({ type: "file", fileName: "a.pdf" }), { type: "file", text: "[檔案] a.pdf" });
  assert.equal(textOf({ type: "hologram" }), { type: "hologram", text: "[訊息]" });
  assert.equal(textOf(undefined), { type: "unknown", text: "[訊息]" });
});

test("texts become what a database takes, and no longer than LINE allows", () => {
  assert.is(textOf({ type: "text", text: "a\u0000b\ud83d" })?.text, "ab\ufffd");
  assert.is(textOf({ type: "text", text: "x".repeat(6000) })?.text.length, 5000);
});

test("a time that cannot be is taken for now", () => {
  for (const timestamp of [0, -1, now.getTime() + 10 ** 12, Number.MAX_SAFE_INTEGER]) {
    assert.is(eventsOf([event({ timestamp })], now)[0]?.occurred_at, now.toISOString());
  }
});

test("another module's conversation is marked as that", () => {
  assert.is(eventsOf([event({ mode: "standby" })], now)[0]?.content.isStandby, true);
});

test.run();
