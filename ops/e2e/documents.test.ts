/** Every example of the interface's description, played against the running system: what clients were promised. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import jwt from "jsonwebtoken";
import { freshRedis } from "../harness/test.ts";
import { startSystem, stopAll, type Answer, type System } from "./system.ts";

interface State {
  system: System;
}
const test = suite<State>("documents");

test.before(async (state) => {
  state.system = await startSystem({
    env: {
      ORG_EMAIL_DOMAIN: "@ptc-nec.com.tw",
      MAIL_SENDER: "sandbox",
      JWT_SECRET: "a secret for the examples of the documents",
      KEYDB_URL: await freshRedis(),
    },
  });
});
test.after(stopAll);

const uuid = /^[\da-f]{8}-[\da-f]{4}-[1-8][\da-f]{3}-[\da-f]{4}-[\da-f]{12}$/;
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/;
const anId = "550e8400-e29b-41d4-a716-446655440000";
const aTime = "2026-01-19T01:00:00Z";

/**
 * Compares an answer with an example: the same fields, ids where it has an id, times where it has a time, and else the
 * very same values. `more` are fields that an answer may have beside the example's.
 */
function like(actual: unknown, example: unknown, more: readonly string[] = [], path = "answer"): void {
  if (typeof example === "string" && (uuid.test(example) || time.test(example))) {
    return assert.match(String(actual), uuid.test(example) ? uuid : time, path);
  }
  if (example instanceof RegExp) return assert.match(String(actual), example, path);
  if (typeof example !== "object" || example === null) return assert.is(actual, example, path);
  assert.ok(typeof actual === "object" && actual !== null, `${path} is ${JSON.stringify(actual)}`);
  const given = new Map(Object.entries(actual ?? {}));
  for (const [name, value] of Object.entries(example)) like(given.get(name), value, more, `${path}.${name}`);
  const known = new Set([...Object.keys(example), ...more]);
  const others = [...given.keys()].filter((name) => !known.has(name));
  assert.equal(others, [], `${path} has fields that the example lacks`);
}

function ok(answer: Answer, status = 200): Record<string, unknown> {
  assert.is(answer.status, status, answer.text);
  return answer.body;
}

const post = (system: System, path: string, body: unknown, token?: string | null) =>
  system.call(path, { method: "POST", body, ...(token !== undefined && { token }) });

const attachment = { filename: "hello.txt", content: "SGVsbG8gV29ybGQ=", content_type: "text/plain" };

const queued = { success: true, mail_id: anId, status: "queued", message: "郵件已加入發送隊列" };

const sends: [example: string, body: Record<string, unknown>][] = [
  [
    "the API's",
    {
      from: "sender@example.com",
      to: ["receiver@example.com"],
      cc: ["cc@example.com"],
      subject: "測試郵件",
      html: "<h1>您好</h1><p>這是一封測試郵件。</p>",
      attachments: [attachment],
      metadata: { user_id: "xxx" },
    },
  ],
  [
    "the specification's",
    {
      from: "sender@company.com",
      to: ["recipient1@example.com", "recipient2@example.com"],
      cc: ["cc@example.com"],
      bcc: ["bcc@example.com"],
      subject: "郵件主旨",
      body: "郵件內容",
      html: "<html>...</html>",
      attachments: [{ ...attachment, filename: "document.pdf", content_type: "application/pdf" }],
      metadata: { department: "sales", campaign_id: "Q1_2026" },
    },
  ],
  [
    "the welcome mail's",
    {
      from: "sender@example.com",
      to: ["receiver@example.com"],
      cc: ["cc@example.com"],
      subject: "歡迎加入！",
      body: "歡迎加入我們的平台！請點擊以下連結啟用帳號：https://example.com/activate",
      html: "<h1>歡迎加入！</h1><p>請點擊以下按鈕啟用帳號：</p><a href='https://example.com/activate' style='background:#007bff;color:white;padding:10px 20px;'>啟用帳號</a>",
      attachments: [attachment],
      metadata: { campaign_id: "2026Q1" },
    },
  ],
];
for (const [example, body] of sends) {
  test(`sending: ${example} example is queued, and arrives`, async ({ system }) => {
    const reply = ok(await post(system, "/api/v1/mail/send", body));
    like(reply, { ...queued, estimated_send_time: "2026-01-20T10:05:00Z" });
    const id = String(reply["mail_id"]);
    await system.settled(id);
    const state = ok(await system.call(`/api/v1/mail/status/${id}`));
    like(state, {
      mail_id: anId,
      status: "sent",
      retry_count: 0,
      created_at: aTime,
      sent_at: "2026-01-19T01:00:05Z",
      last_updated: "2026-01-20T10:05:00Z",
      error_message: "",
    });
  });
}

test("sending: an attachment that is too large is told by its name", async ({ system }) => {
  const content = Buffer.alloc(25 * 2 ** 20 + 1).toString("base64");
  const [, first] = sends[0] ?? [];
  const answer = await post(system, "/api/v1/mail/send", {
    ...first,
    attachments: [{ filename: "report.pdf", content }],
  });
  like(ok(answer, 400), {
    success: false,
    error: "attachment_too_large",
    message: "report.pdf exceeds maximum size of 25MB",
  });
});

test("sending: 25 MB to the byte is taken", async ({ system }) => {
  const content = Buffer.alloc(25 * 2 ** 20).toString("base64");
  const [, first] = sends[0] ?? [];
  ok(await post(system, "/api/v1/mail/send", { ...first, attachments: [{ filename: "report.pdf", content }] }));
});

const batches: [example: string, mails: Record<string, unknown>[]][] = [
  [
    "the API's",
    [1, 2].map((number) => ({
      from: "sender@example.com",
      to: [`user${number}@example.com`],
      subject: `通知 #${number}`,
      body: number === 1 ? "這是第一封郵件" : "這是第二封郵件",
    })),
  ],
  [
    "the specification's",
    [1, 2].map((number) => ({
      from: "sender@example.com",
      to: ["receiver@example.com"],
      cc: ["cc@example.com"],
      subject: `通知 #${number}`,
      body: number === 1 ? "這是第一封郵件" : "這是第二封郵件",
      html: number === 1 ? "<h1>這是第一封郵件</h1>" : "<h1>這是第二封郵件</h1>",
      attachments: [attachment],
      metadata: { campaign_id: "2026Q1" },
    })),
  ],
];
for (const [example, mails] of batches) {
  test(`sending a batch: ${example} example is queued`, async ({ system }) => {
    like(ok(await post(system, "/api/v1/mail/send/batch", { mails })), {
      success: true,
      batch_id: "b8f3e1a0-1234-4678-abcd-ef1234567890",
      results: [
        { mail_id: anId, status: "queued" },
        { mail_id: anId, status: "queued" },
      ],
    });
  });
}

test("history: a page of what was sent", async ({ system }) => {
  const client = { client_name: "History", permissions: ["mail.send", "mail.read"] };
  const token = String(ok(await post(system, "/api/v1/auth/token", client), 201)["token"]);
  const mail = { from: "sender@example.com", to: ["receiver@example.com"], subject: "測試郵件", body: "您好" };
  await system.settled(String(ok(await post(system, "/api/v1/mail/send", mail, token))["mail_id"]));
  const page = ok(await system.call("/api/v1/mail/history?page=1&limit=10&status=sent", { token }));
  const entry = {
    id: anId,
    from: "sender@example.com",
    to: ["receiver@example.com"],
    subject: "測試郵件",
    status: "sent",
    created_at: aTime,
    sent_at: "2026-01-19T01:00:05Z",
  };
  like(page, { total: 1, page: 1, limit: 10, data: [entry] }, ["next_cursor"]);
});

test("cancelling: a queued mail is cancelled", async ({ system }) => {
  const [, first] = sends[0] ?? [];
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const id = String(ok(await post(system, "/api/v1/mail/send", { ...first, send_at: later }))["mail_id"]);
  like(ok(await system.call(`/api/v1/mail/cancel/${id}`, { method: "DELETE" })), {
    success: true,
    mail_id: anId,
    status: "cancelled",
    message: "郵件已取消",
  });
});

test("cancelling: a mail that has left cannot be", async ({ system }) => {
  const id = await system.accept();
  await system.settled(id);
  like(ok(await system.call(`/api/v1/mail/cancel/${id}`, { method: "DELETE" }), 400), {
    success: false,
    error: "cannot_cancel",
    message: "Only queued mails can be cancelled",
  });
});

const refusals: [story: string, headers: Record<string, string>, status: number, code: string][] = [
  ["without a header", {}, 401, "missing_token"],
  ["with another scheme", { authorization: "Basic dXNlcjpwYXNz" }, 401, "invalid_token_format"],
  ["with what is no token", { authorization: "Bearer nonsense" }, 401, "invalid_token"],
];
for (const [story, headers, status, code] of refusals) {
  test(`signing in: ${story} the answer is ${code}`, async ({ system }) => {
    const answer = await system.call("/api/v1/mail/history", { token: null, headers });
    like(ok(answer, status), { success: false, error: code, message: /./ });
  });
}

const marketing = {
  client_name: "行銷部門系統",
  department: "Marketing",
  permissions: ["mail.send", "mail.read", "mail.cancel"],
};

test("tokens: one is issued, looked up, listed and revoked", async ({ system }) => {
  const issued = ok(await post(system, "/api/v1/auth/token", marketing), 201);
  like(issued, {
    token: /^eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\./,
    client_id: /^client_[\da-z]{8,}$/,
    created_at: "2026-01-19T09:00:00Z",
  });
  const token = String(issued["token"]);
  const clientId = String(issued["client_id"]);
  const claims = jwt.decode(token);
  const { iat, ...others } = typeof claims === "object" && claims !== null ? claims : {};
  assert.type(iat, "number");
  like(others, {
    iss: "mail-proxy-system",
    sub: anId,
    jti: anId,
    client_id: clientId,
    client_name: "行銷部門系統",
    department: "Marketing",
    permissions: ["mail:send", "mail:read", "mail:cancel"],
  });
  const active = {
    id: "a1b2c3d4-1234-4678-abcd-ef1234567890",
    client_id: clientId,
    client_name: "行銷部門系統",
    department: "Marketing",
    permissions: ["mail:send", "mail:read", "mail:cancel"],
    is_active: true,
    created_at: "2026-01-19T09:00:00Z",
    revoked_at: null,
  };
  const shown = ok(await system.call(`/api/v1/auth/token/${clientId}`));
  like(shown, active);
  like(ok(await system.call(`/api/v1/auth/token/${String(shown["id"])}`)), active);
  const revoke = () => system.call(`/api/v1/auth/token/${String(shown["id"])}`, { method: "DELETE" });
  const revoked = { success: true, message: "Token 已撤銷" };
  like(ok(await revoke()), revoked);
  like(ok(await revoke()), revoked);
  const refused = await system.call("/api/v1/mail/history", { token });
  like(ok(refused, 401), { success: false, error: "token_revoked", message: /./ });
  const list = ok(await system.call("/api/v1/auth/tokens"));
  const data = Array.isArray(list["data"]) ? (list["data"] as unknown[]) : [];
  like(list, { total: data.length, data: /./ }, ["page", "limit"]);
  like(data[0], { ...active, is_active: false, revoked_at: "2026-01-18T14:30:00Z" });
});

test("permissions: a token without the permission is refused, an administrator's has every one", async ({ system }) => {
  const reader = ok(await post(system, "/api/v1/auth/token", { ...marketing, permissions: ["mail.read"] }), 201);
  const [, first] = sends[0] ?? [];
  const refused = await post(system, "/api/v1/mail/send", first, String(reader["token"]));
  like(ok(refused, 403), { success: false, error: "permission_denied", message: /./ });
  const admin = ok(await post(system, "/api/v1/auth/token", { ...marketing, permissions: ["admin"] }), 201);
  ok(await post(system, "/api/v1/mail/send", first, String(admin["token"])));
});

test("sender configs: one is made, listed, shown, changed and deleted", async ({ system }) => {
  const given = {
    sender_email: "noreply@ptc-nec.com.tw",
    ms_tenant_id: "your-tenant-id",
    ms_client_id: "your-client-id",
    ms_client_secret: "your-client-secret",
  };
  const { ms_client_secret: _secret, ...visible } = given;
  const entry = {
    id: anId,
    ...visible,
    ms_client_secret_masked: "your****cret",
    is_active: true,
    created_at: "2026-02-05T10:00:00Z",
  };
  const more = ["client_ids", "updated_at", "page", "limit"];
  const created = ok(await post(system, "/api/v1/auth/sender-config", given), 201);
  like(created, { success: true, data: entry }, more);
  const { id } = created["data"] as { id: string };
  like(ok(await system.call("/api/v1/auth/sender-configs")), { success: true, total: 1, data: [entry] }, more);
  const path = `/api/v1/auth/sender-config/${id}`;
  like(ok(await system.call(path)), { success: true, data: entry }, more);
  const change = { ms_tenant_id: "other-tenant-id", ms_client_secret: "short", is_active: false };
  const changed = { ...entry, ms_tenant_id: "other-tenant-id", ms_client_secret_masked: "****", is_active: false };
  like(ok(await system.call(path, { method: "PUT", body: change })), { success: true, data: changed }, more);
  const deleted = { success: true, message: "Sender config 已刪除" };
  like(ok(await system.call(path, { method: "DELETE" })), deleted);
  like(ok(await system.call(path), 404), { success: false, error: "sender_config_not_found", message: /./ });
});

test("the organisation's sender without a config is refused with its code", async ({ system: _sandbox }) => {
  const system = await startSystem({ env: { ORG_EMAIL_DOMAIN: "@ptc-nec.com.tw" } });
  const answer = await system.send({ from: "nobody@ptc-nec.com.tw" });
  like(ok(answer, 400), { success: false, error: "sender_not_configured", message: /./ });
  await system.stop();
});

test("health: all is well", async ({ system }) => {
  like(ok(await system.call("/health", { token: null })), {
    status: "healthy",
    version: "1.0.0",
    services: { postgresql: "ok", keydb: "ok", rabbitmq: "ok" },
  });
});

test("health: a cache that is away degrades it", async () => {
  const system = await startSystem({ env: { KEYDB_URL: "127.0.0.1:1" } });
  const answer = await system.call("/health", { token: null });
  like(
    ok(answer, 503),
    { status: "degraded", version: "1.0.0", services: { postgresql: "ok", keydb: "error", rabbitmq: "ok" } },
    ["message"],
  );
  await system.stop();
});

test("the log of a mail that was sent is one line of JSON", async ({ system }) => {
  const id = await system.accept();
  await system.settled(id);
  const { stdout } = await system.output();
  const line = stdout.split("\n").find((text) => text.includes("Mail sent successfully") && text.includes(id));
  const { time: at, level, msg, mail_id, duration_ms } = JSON.parse(line ?? "{}") as Record<string, unknown>;
  assert.match(String(at), time);
  assert.equal({ level, msg, mail_id }, { level: "info", msg: "Mail sent successfully", mail_id: id });
  assert.type(duration_ms, "number");
});

test.run();
