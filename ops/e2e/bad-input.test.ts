/** Whatever a client gets wrong, or tries on purpose: it is told what and where, nothing is kept, nothing breaks. */
import { createHmac, createPublicKey } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import jwt from "jsonwebtoken";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshDatabase } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type Answer, type Mail, type System } from "./system.ts";
import { issueToken } from "./token.ts";

const input = suite("bad input");
let system: System;
let database: Client;
let env: Record<string, string>;

input.before(async () => {
  env = { DATABASE_URL: await freshDatabase(), MAX_REQUEST_SIZE_MB: "3", MAX_ATTACHMENT_SIZE_MB: "1" };
  system = await startSystem({ env });
  database = new Client({ connectionString: env["DATABASE_URL"] });
  await database.connect();
});
input.after(async () => {
  await database.end();
  await stopAll();
});

/** Rows of each table that a mail leaves rows in, and files. */
async function kept(): Promise<string> {
  const tables = ["mails", "attachments", "idempotency_keys", "mail_events"];
  const { rows } = await database.query(tables.map((table) => `SELECT count(*) FROM ${table}`).join(" UNION ALL "));
  const entries = await readdir(join(system.dataDir, "attachments"), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  const files = entries.filter((entry) => entry.isFile());
  return JSON.stringify([rows, files.map(({ parentPath, name }) => join(parentPath, name))]);
}

/** Says no in the API's own style, without a word about its inside. */
function assertRefused(answer: Pick<Answer, "status" | "text">, status: number, error: string, field?: string): void {
  const what = `${answer.status} ${answer.text.slice(0, 500)}`;
  assert.is(answer.status, status, what);
  assert.not.match(answer.text, /\s+at \S+:\d+|node_modules|\.ts\b|postgres|SELECT/i);
  const body: { success?: unknown; error?: unknown; message?: unknown; details?: { field: string }[] } = JSON.parse(
    answer.text,
  );
  assert.is(body.success, false, what);
  assert.is(body.error, error, what);
  assert.type(body.message, "string");
  if (field !== undefined)
    assert.ok(
      body.details?.some((detail) => detail.field === field),
      what,
    );
}

/** Sends it and wants it refused, with nothing left behind. */
async function refuses(body: unknown, status: number, error: string, field?: string): Promise<void> {
  const before = await kept();
  assertRefused(await system.send({}, { body }), status, error, field);
  assert.is(await kept(), before, "something was kept of a refused mail");
}

const mail = (fields: Mail) => ({ ...plainMail, ...fields });
const without = (field: string) => Object.fromEntries(Object.entries(plainMail).filter(([name]) => name !== field));
const file = (fields: object) => mail({ attachments: [{ filename: "a.txt", content: "YQ==", ...fields }] });
const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth);

for (const [name, body] of [
  ["nothing", ""],
  ["half an object", '{"from": "a@example.com", '],
  ["a comma too many", '{"from": "a@example.com",}'],
  ["text", "from=a@example.com"],
  ["a NUL", "\0"],
] as const) {
  input(`a body that is ${name} is not JSON`, async () => {
    await refuses(body, 400, "invalid_json");
  });
}

for (const [name, body, field] of [
  ["a list instead of an object", [], undefined],
  ["null", null, undefined],
  ["a number", "7", undefined],
  ["no sender", without("from"), "from"],
  ["no recipients", without("to"), "to"],
  ["an empty list of recipients", mail({ to: [] }), "to"],
  ["no subject", without("subject"), "subject"],
  ["an empty subject", mail({ subject: "" }), "subject"],
  ["one recipient not in a list", mail({ to: "guest@example.org" }), "to"],
  ["a number for a recipient", mail({ to: ["guest@example.org", 7] }), "to[1]"],
  ["a number for a subject", mail({ subject: 7 }), "subject"],
  ["an object for a body", mail({ body: {} }), "body"],
  ["null for html", mail({ html: null }), "html"],
  ["metadata that is a list", mail({ metadata: [] }), "metadata"],
  ["attachments that are an object", mail({ attachments: {} }), "attachments"],
  ["an attachment without a name", mail({ attachments: [{ content: "YQ==" }] }), "attachments[0].filename"],
  ["an attachment without content", mail({ attachments: [{ filename: "a" }] }), "attachments[0].content"],
  ["a subject of a thousand letters", mail({ subject: "x".repeat(1000) }), "subject"],

  ["a line break in an address", mail({ to: ["guest@example.org\r\nBcc: x@example.net"] }), "to[0]"],
  ["a NUL in an address", mail({ from: "shop\0@example.com" }), "from"],
  ["a line break in a name", mail({ to: ["Guest\r\nBcc: x <guest@example.org>"] }), "to[0]"],
  ["a line feed in a subject", mail({ subject: "Hello\nBcc: x@example.net" }), "subject"],
  ["a carriage return in a subject", mail({ subject: "Hello\rBcc: x@example.net" }), "subject"],
  ["a NUL in a subject", mail({ subject: "Hel\0lo" }), "subject"],
  ["a NUL in a body", mail({ body: "Hel\0lo" }), "body"],
  ["a line break in a file name", file({ filename: "a\r\nContent-Type: x.txt" }), "attachments[0].filename"],
  ["a NUL in a file name", file({ filename: "a\0.txt" }), "attachments[0].filename"],
  ["a line break in a content type", file({ content_type: "text/plain\r\nX: y" }), "attachments[0].content_type"],
  ["a NUL in metadata", mail({ metadata: { deep: [{ "a\0": 1 }] } }), "metadata"],

  ["a quoted local part", mail({ to: ['"a@evil.example"@example.org'] }), "to[0]"],
  ["a quoted local part within a name", mail({ to: ['Guest <"a b"@example.org>'] }), "to[0]"],
  ["two addresses in one", mail({ to: ["a@example.org, b@example.org"] }), "to[0]"],
  ["an address without a domain", mail({ cc: ["guest@"] }), "cc[0]"],
  ["an address at a host of one label", mail({ bcc: ["root@localhost"] }), "bcc[0]"],
  ["an address at an IP address", mail({ to: ["guest@127.0.0.1"] }), "to[0]"],
  ["an address at a literal", mail({ to: ["guest@[127.0.0.1]"] }), "to[0]"],
  ["an address that goes on and on", mail({ to: [`${"a".repeat(65)}@example.org`] }), "to[0]"],

  ["base64 that is not", file({ content: "not base64!" }), "attachments[0].content"],
  ["base64 cut short", file({ content: "YQ=" }), "attachments[0].content"],
  ["base64 with padding in the middle", file({ content: "YQ==YQ==" }), "attachments[0].content"],
  [
    "half a surrogate pair in a subject",
    String.raw`{"from":"a@example.com","to":["b@example.org"],"subject":"\ud800","body":"x"}`,
    "subject",
  ],
  ["half a surrogate pair in a body", mail({ body: "\udc00" }), "body"],
  ["half a surrogate pair in html", mail({ html: "<p>\ud800</p>" }), "html"],
  ["half a surrogate pair in a name", mail({ from: "A\ud800 <shop@example.com>" }), "from"],
  ["half a surrogate pair in a file name", file({ filename: "\ud800.txt" }), "attachments[0].filename"],
  ["half a surrogate pair in metadata", mail({ metadata: { x: ["\ud800"] } }), "metadata"],
  ["half a surrogate pair in an address", mail({ to: ["a\ud800@example.org"] }), "to[0]"],

  ["10,000 recipients", mail({ to: Array.from({ length: 10_000 }, (_, n) => `guest${n}@example.org`) }), "to"],
  ["10,000 copies", mail({ cc: Array.from({ length: 10_000 }, (_, n) => `guest${n}@example.org`) }), undefined],
  ["more recipients than anybody reads", mail({ to: Array.from({ length: 20_000 }, () => "x") }), "to"],
  ["metadata of 100 KB", mail({ metadata: { x: "x".repeat(100_000) } }), "metadata"],
] as const) {
  input(`${name}: refused, with the place`, async () => {
    await refuses(body, 400, "invalid_request", field);
  });
}

input("neither body nor html", async () => {
  await refuses(without("body"), 400, "empty_body");
  await refuses(mail({ body: "", html: "" }), 400, "empty_body");
});

input("every fault is told, not only the first", async () => {
  const before = await kept();
  const answer = await system.send({ from: "nobody", to: ["a@example.org", "b"], subject: "a\nb" });
  for (const field of ["from", "to[1]", "subject"]) assertRefused(answer, 400, "invalid_request", field);
  assert.is(await kept(), before);
});

input("JSON of 10,000 levels is refused wherever it is", async () => {
  const deep = { list: nested(10_000, "[", "]"), object: `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}` };
  const whole = JSON.stringify(plainMail).slice(0, -1);
  await refuses(`${whole},"metadata":${deep.object}}`, 400, "invalid_request", "metadata");
  await refuses(`${whole},"metadata":{"x":${deep.list}}}`, 400, "invalid_request", "metadata");
  await refuses(`${whole},"cc":${deep.list}}`, 400, "invalid_request");
  await refuses(`${whole},"attachments":[${deep.object}]}`, 400, "invalid_request");
  await refuses(`${whole},"html":${deep.object}}`, 400, "invalid_request", "html");
  await refuses(deep.list, 400, "invalid_request");
  await refuses(deep.object, 400, "invalid_request", "from");
});

input("a field that nobody knows does no harm, however deep", async () => {
  const body = `${JSON.stringify(plainMail).slice(0, -1)},"other":${nested(10_000, "[", "]")},"__proto__":{"html":7}}`;
  const answer = await system.send({}, { body });
  if (answer.status === 200) await system.settled(String(answer.body["mail_id"]));
  else assertRefused(answer, 400, "invalid_request");
});

input("a mail that is refused for one part leaves no file of the others", async () => {
  const attachments = [
    { filename: "good.txt", content: "YQ==" },
    { filename: "bad.txt", content: "***" },
  ];
  await refuses(mail({ attachments }), 400, "invalid_request", "attachments[1].content");
  await refuses(mail({ to: ["nobody"], attachments: attachments.slice(0, 1) }), 400, "invalid_request", "to[0]");
  const large = { filename: "large.bin", content: Buffer.alloc(2 ** 20 + 1).toString("base64") };
  await refuses(mail({ attachments: [attachments[0], large] }), 400, "attachment_too_large");
});

input("an idempotency key does not stick to a refused mail", async () => {
  const headers = { "idempotency-key": "refused-first" };
  const before = await kept();
  assertRefused(await system.send({ to: ["nobody"] }, { headers }), 400, "invalid_request", "to[0]");
  assert.is(await kept(), before);
  const mended = await system.send({}, { headers });
  assert.is(mended.status, 200, mended.text);
  await system.settled(String(mended.body["mail_id"]));
  assertRefused(await system.send({ subject: "Another" }, { headers }), 422, "idempotency_key_reused");
  const long = await system.send({}, { headers: { "idempotency-key": "x".repeat(257) } });
  assertRefused(long, 400, "invalid_request", "Idempotency-Key");
});

for (const type of ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonx", "json"]) {
  input(`a body of type ${type} is not taken`, async () => {
    const before = await kept();
    assertRefused(await system.send({}, { headers: { "content-type": type } }), 415, "unsupported_media_type");
    assert.is(await kept(), before);
  });
}

input("bytes that are no text are no JSON", async () => {
  for (const bytes of [Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), Buffer.from("{}", "utf16le"), Buffer.alloc(1000)]) {
    assertRefused(await raw({ path: "/api/v1/mail/send", chunks: [bytes] }), 400, "invalid_json");
  }
});

input("a body that is too long is refused when it is announced", async () => {
  const headers = { "content-length": String(4 * 2 ** 20) };
  const answer = await raw({ path: "/api/v1/mail/send", headers, chunks: [Buffer.from("{")], unfinished: true });
  assertRefused(answer, 413, "request_too_large");
});

input("a body that is too long is refused when it has got too long, where nothing was announced", async () => {
  const before = await kept();
  const chunk = Buffer.alloc(64 * 1024, " ");
  const chunks = Array.from({ length: 100 }, () => chunk);
  assertRefused(await raw({ path: "/api/v1/mail/send", chunks }), 413, "request_too_large");
  assertRefused(await raw({ path: "/api/v1/mail/send", chunks, unfinished: true }), 413, "request_too_large");
  assert.is(await kept(), before);
});

input("a wrong method is told which are right, in the API's style", async () => {
  for (const [method, path, allowed] of [
    ["GET", "/api/v1/mail/send", "POST"],
    ["PUT", "/api/v1/mail/send", "POST"],
    ["PATCH", "/api/v1/mail/send", "POST"],
    ["DELETE", "/api/v1/mail/send", "POST"],
    ["POST", "/api/v1/mail/status/x", "GET, HEAD"],
    ["PROPFIND", "/api/v1/mail/send", "POST"],
  ] as const) {
    const answer = await raw({ method, path });
    assertRefused(answer, 405, "method_not_allowed");
    assert.is(answer.allow, allowed, `${method} ${path}`);
  }
});

input("an address that there is not is 404, in the API's style", async () => {
  for (const path of [
    "/api/v1/mail/nothing",
    "/api/v1/mail/send/more",
    "/api/v1/mail/",
    "/api/v1/mail/%00",
    "/api/v1/mail/%",
  ]) {
    assertRefused(await raw({ method: "GET", path }), 404, "not_found");
  }
  for (const path of [
    "/",
    "/nothing",
    "//",
    "/%",
    "/..%2f..%2fetc/passwd",
    "/docs/../package.json",
    "/docs/..%2fpackage.json",
  ]) {
    const answer = await raw({ method: "GET", path });
    assert.is(answer.status, 404, `${path}: ${answer.text}`);
    assert.not.match(answer.text, /root:|"dependencies"|\s+at \S+:\d+/);
  }
});

input("ids that are no ids", async () => {
  for (const id of [
    "1",
    "abc",
    "%00",
    "%ZZ",
    "..%2f..%2f",
    "'%20OR%201=1--",
    "x".repeat(5000),
    "00000000-0000-0000-0000-00000000000g",
  ]) {
    assertRefused(await system.call(`/api/v1/mail/status/${id}`), 400, "invalid_request", "id");
  }
  for (const id of ["00000000-0000-4000-8000-000000000000", "ABCDEFAB-0000-4000-8000-000000000000"]) {
    assertRefused(await system.call(`/api/v1/mail/status/${id}`), 404, "mail_not_found");
  }
  const answer = await system.call("/api/v1/mail/status/00000000-0000-4000-8000-000000000000?events=maybe");
  assertRefused(answer, 400, "invalid_request", "events");
});

input("tokens that open no door", async () => {
  const before = await kept();
  const key = await readFile(join(system.dataDir, "keys/jwt.pem"), "utf8");
  const claims = jwt.decode(system.token, { json: true }) ?? {};
  const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const hmac = (secret: string) => {
    // jsonwebtoken itself refuses to make this one.
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  };
  const unknown = {
    ...claims,
    jti: "00000000-0000-4000-8000-000000000000",
    sub: "00000000-0000-4000-8000-000000000000",
  };
  const bearer = {
    "alg none": `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`,
    "alg None": `${part({ alg: "None", typ: "JWT" })}.${part(claims)}.`,
    "HS256 signed with the public key": hmac(publicKey),
    "HS256 signed with nothing": hmac(""),
    truncated: system.token.slice(0, -10),
    "without a signature": `${system.token.split(".").slice(0, 2).join(".")}.`,
    "two parts": system.token.split(".").slice(0, 2).join("."),
    "well signed, never issued": jwt.sign(unknown, key, { algorithm: "RS256" }),
    "well signed, an issued id, other claims": jwt.sign({ ...claims, permissions: ["admin", "more"] }, key, {
      algorithm: "RS256",
    }),
    "well signed, an id that is none": jwt.sign({ ...claims, jti: "'; DROP TABLE mails" }, key, { algorithm: "RS256" }),
    "well signed, of another house": jwt.sign({ ...claims, iss: "other" }, key, { algorithm: "RS256" }),
    rubbish: "x",
  };
  const refusedAs = async (headers: Record<string, string>, error: string, what: string) => {
    const answer = await system.send({}, { token: null, headers });
    assertRefused(answer, 401, error);
    assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/, what);
  };
  for (const [what, token] of Object.entries(bearer)) {
    await refusedAs({ authorization: `Bearer ${token}` }, "invalid_token", what);
  }
  await refusedAs({}, "missing_token", "none");
  await refusedAs({ authorization: "" }, "missing_token", "an empty header");
  await refusedAs({ authorization: `Basic ${Buffer.from("a:b").toString("base64")}` }, "invalid_token_format", "Basic");
  await refusedAs({ authorization: system.token }, "invalid_token_format", "no scheme");
  assert.is(await kept(), before);

  const reader = await issueToken({ ...env, DATA_DIR: system.dataDir }, ["mail:read"]);
  assertRefused(await system.send({}, { token: reader }), 403, "permission_denied");
  const elsewhere = await system.call("/api/v1/auth/token", {
    method: "POST",
    token: reader,
    body: { client_name: "Mine", permissions: ["admin"] },
  });
  assertRefused(elsewhere, 403, "permission_denied");
  assert.is(await kept(), before);

  const id = await system.accept();
  assertRefused(await system.call(`/api/v1/mail/status/${id}`, { token: reader }), 404, "mail_not_found");
});

input("who may not send learns nothing about the body", async () => {
  assertRefused(await system.send({}, { token: null, body: "{" }), 401, "missing_token");
});

input("after all that it is well, and has logged no fault of its own", async () => {
  assert.is((await system.call("/health", { token: null })).status, 200);
  assert.is((await system.settled(await system.accept())).status, "sent");
  const { stdout } = await system.output();
  assert.equal(
    stdout.split("\n").filter((line) => /"level":"(error|fatal)"/.test(line)),
    [],
  );
});

interface Raw {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  chunks?: readonly Buffer[];
  /** Never end the request: the answer must come all the same. */
  unfinished?: boolean;
}

/** A request as `fetch` would not send it: paths as they are, chunks without a length. */
async function raw({ method = "POST", path, headers = {}, chunks = [], unfinished = false }: Raw) {
  const outgoing = request({
    host: "127.0.0.1",
    port: system.port,
    method,
    path,
    agent: false,
    headers: { authorization: `Bearer ${system.token}`, "content-type": "application/json", ...headers },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    // A server that has answered may stop reading; only an error before that is one.
    outgoing.on("error", reject);
    outgoing.setTimeout(10_000, () => outgoing.destroy(new Error("no answer within 10 s")));
  });
  for (const chunk of chunks) outgoing.write(chunk);
  if (!unfinished) outgoing.end();
  const response = await answered;
  const answer = { status: response.statusCode ?? 0, text: await text(response), allow: response.headers.allow };
  outgoing.destroy();
  return answer;
}

input.run();
