/** LINE's stand-in itself: what it takes, what it refuses and how it says so. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isSignedByLine } from "../../../lib/crm/line/signature.ts";
import { planFaults } from "./line-plan.ts";
import { messageFaults } from "./line-rules.ts";
import type { LineStanding } from "./line-server.ts";
import { lineUser, lineUserId, sendWebhook } from "./line-webhook.ts";

const test = suite("LINE's stand-in");

const uri = { type: "uri", label: "View detail", uri: "https://example.com/page/123" };
const postback = { type: "postback", label: "Buy", data: "action=buy&itemid=123" };
const template = (given: object) => ({ type: "template", altText: "alt", template: given });
const buttons = (given: object = {}) =>
  template({ type: "buttons", text: "Please select", actions: [uri, postback], ...given });
const column = (given: object = {}) => ({
  thumbnailImageUrl: "https://example.com/1.jpg",
  title: "menu",
  text: "text",
  actions: [uri],
  ...given,
});
const carousel = (...columns: object[]) => template({ type: "carousel", columns });
const flex = (contents: object) => ({ type: "flex", altText: "alt", contents });
const text = { type: "text", text: "Hello, World!", size: "xl", weight: "bold", color: "#17c950", wrap: true };
const box = (...contents: object[]) => ({ type: "box", layout: "vertical", contents });
const bubble = (...contents: object[]) => ({ type: "bubble", body: box(...contents) });

const property = (message: unknown) => messageFaults([message])[0]?.property;

test("the messages of LINE's reference are taken", () => {
  const image = {
    type: "image",
    url: "https://example.com/1.jpg",
    size: "full",
    aspectRatio: "20:13",
    aspectMode: "cover",
    action: uri,
  };
  const button = { type: "button", style: "primary", height: "sm", action: uri };
  const area = { x: 0, y: 0, width: 1040, height: 585 };
  const imagemap = {
    type: "imagemap",
    baseUrl: "https://example.com/rich",
    altText: "alt",
    baseSize: { width: 1040, height: 1040 },
  };
  for (const message of [
    { type: "text", text: "Hello, world" },
    { type: "image", originalContentUrl: "https://example.com/1.jpg", previewImageUrl: "https://example.com/2.jpg" },
    buttons({ thumbnailImageUrl: "https://example.com/1.jpg", title: "Menu", defaultAction: uri, imageSize: "cover" }),
    template({
      type: "confirm",
      text: "Are you sure?",
      actions: [{ type: "message", label: "Yes", text: "yes" }, postback],
    }),
    carousel(column(), column({ actions: [postback] })),
    template({ type: "image_carousel", columns: [{ imageUrl: "https://example.com/1.jpg", action: postback }] }),
    { ...imagemap, actions: [{ type: "uri", linkUri: "https://example.com/", area }] },
    flex({ type: "carousel", contents: [bubble(text), { type: "bubble", hero: image, footer: box(button) }] }),
  ]) {
    assert.equal(messageFaults([message]), [], JSON.stringify(message));
  }
});

test("what LINE refuses is named as LINE names it", () => {
  const cases: [property: string, message: unknown][] = [
    ["messages[0].type", { type: "note", text: "x" }],
    ["messages[0].type", "x"],
    ["messages[0].text", { type: "text", text: "" }],
    ["messages[0].text", { type: "text", text: "a".repeat(5001) }],
    ["messages[0].template.type", template({ type: "list" })],
    ["messages[0].template.text", buttons({ text: "a".repeat(161) })],
    ["messages[0].template.text", buttons({ text: "a".repeat(61), title: "Menu" })],
    ["messages[0].template.title", buttons({ title: "a".repeat(41) })],
    ["messages[0].template.actions", buttons({ actions: [] })],
    ["messages[0].template.actions", buttons({ actions: Array.from({ length: 5 }, () => uri) })],
    ["messages[0].template.thumbnailImageUrl", buttons({ thumbnailImageUrl: "http://example.com/1.jpg" })],
    ["messages[0].template.columns", carousel()],
    ["messages[0].template.columns", carousel(...Array.from({ length: 11 }, () => column()))],
    ["messages[0].template.columns[1].actions", carousel(column(), column({ actions: [uri, uri] }))],
    ["messages[0].template.columns[0].text", carousel(column({ text: "a".repeat(61) }))],
    ["messages[0].contents", flex({ type: "bubble" })],
    ["messages[0].contents", flex({ type: "carousel", contents: [bubble({ ...text, text: "字".repeat(11_000) })] })],
    ["messages[0].contents.body.contents[0].text", flex(bubble({ ...text, text: "" }))],
    ["messages[0].contents.body.contents[0].type", flex(bubble({ type: "video" }))],
    ["messages[0].contents.body.contents[0].color", flex(bubble({ ...text, color: "red" }))],
    [
      "messages[0].contents.contents",
      flex({ type: "carousel", contents: Array.from({ length: 13 }, () => bubble(text)) }),
    ],
  ];
  for (const [expected, message] of cases) {
    assert.ok(
      property(message)?.startsWith(expected),
      `${property(message)} is not ${expected}: ${JSON.stringify(message)}`,
    );
  }
  for (const wrong of [{ label: "a".repeat(21) }, { uri: "javascript:x" }, { uri: `https://${"a".repeat(1000)}` }]) {
    assert.match(
      property(buttons({ actions: [{ ...uri, ...wrong }] })) ?? "",
      /^messages\[0\]\.template\.actions\[0\]/,
    );
  }
  assert.match(property(buttons({ actions: [{ ...postback, data: "a".repeat(301) }] })) ?? "", /actions\[0\]/);
});

test("a request has one to five messages", () => {
  const some = (count: number) => messageFaults(Array.from({ length: count }, () => ({ type: "text", text: "x" })));
  assert.equal(
    [1, 5].map((count) => some(count).length),
    [0, 0],
  );
  assert.equal(
    [0, 6].map((count) => some(count)[0]?.property),
    ["messages", "messages"],
  );
});

test("faults by chance are the same for the same seed, and as many as asked for", () => {
  const of = (seed: number) => {
    const next = planFaults({ seed, throttled: 0.1, broken: 0.1, resetAccepted: 0.1 });
    return Array.from({ length: 5000 }, () => next()?.kind ?? "none");
  };
  assert.equal(of(7), of(7));
  assert.not.equal(of(7), of(8));
  const none = of(7).filter((kind) => kind === "none").length;
  assert.ok(none > 3300 && none < 3700, `${none} of 5000 were left alone`);
});

test("a webhook is signed over its bytes", async () => {
  let arrived: { body: string; signature: string | undefined } | undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const signature = request.headers["x-line-signature"];
      arrived = { body: Buffer.concat(chunks).toString(), signature: Array.isArray(signature) ? undefined : signature };
      response.end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/webhooks/line`;
  const user = lineUser();
  await sendWebhook({ url, secret: "s" }, user.follow(), user.says("早安"), user.taps("a=1"), user.unfollow());
  assert.ok(isSignedByLine(arrived?.body ?? "", arrived?.signature, "s"));
  const { events } = JSON.parse(arrived?.body ?? "{}") as { events: Record<string, unknown>[] };
  assert.equal(
    events.map(({ type }) => type),
    ["follow", "message", "postback", "unfollow"],
  );
  assert.ok(events.every(({ webhookEventId }) => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(String(webhookEventId))));
  assert.is(new Set(events.map(({ webhookEventId }) => webhookEventId)).size, 4);
  await sendWebhook({ url, secret: "s", signature: null }, user.follow());
  assert.is(arrived?.signature, undefined);
  server.closeAllConnections();
  server.close();
});

test("as a process of its own, it tells what was sent", async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "line-server.ts")], {
    env: { KEEP_MESSAGES: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const { url, env } = JSON.parse(line) as { url: string; env: Record<string, string> };
    const ask = async (path: string, body?: object) => {
      const headers = {
        authorization: `Bearer ${env["LINE_CHANNEL_ACCESS_TOKEN"]}`,
        "content-type": "application/json",
        "x-line-retry-key": randomUUID(),
      };
      const sent = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
      return (await (await fetch(`${url}${path}`, sent)).json()) as Record<string, unknown>;
    };
    const to = lineUserId();
    await ask("/stand-in", { quota: { limit: 1 } });
    const messages = [{ type: "text", text: "早安" }];
    await ask("/v2/bot/message/push", { to, messages });
    assert.equal(await ask("/v2/bot/message/push", { to, messages }), {
      message: "You have reached your monthly limit.",
    });
    const { answers, histogram, quota } = (await ask("/stand-in")) as unknown as LineStanding;
    assert.equal([answers, histogram, quota], [{ "push 200": 1, "push 429": 1 }, { 1: 1 }, { limit: 1, used: 1 }]);
    const { count, received } = await ask(`/stand-in/users/${to}`);
    assert.is(count, 1);
    assert.match(JSON.stringify(received), "早安");
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
});

test.run();
