/** Who is let in where: every route of the system against every kind of token, and what one client sees of another. */
import { createHmac, createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase } from "../harness/test.ts";
import { runFn, type Variables } from "./fn.ts";
import { startSystem, stopAll, type Answer, type System } from "./system.ts";

interface Houses {
  env: Variables;
  /** Two containers on one database, which sign with RS256. */
  one: System;
  other: System;
}

const access = suite<Houses>("access");

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const publicPem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();

access.before(async (state) => {
  state.env = { DATABASE_URL: await freshDatabase(), JWT_PRIVATE_KEY: pem, MAIL_SENDER: "sandbox" };
  state.one = await startSystem({ env: state.env });
  state.other = await startSystem({ env: state.env, token: state.one.token });
});
access.after(stopAll);

const grants = ["mail:send", "mail:read", "mail:cancel", "admin"] as const;
type Grant = (typeof grants)[number];

/**
 * Every route, the permission that it asks for, and what a plain request gets that has it: no body but `{}`, and an id
 * that nothing has. A new route has no entry, and so fails the test until somebody decides who may use it.
 */
const routes: Record<string, [needs: Grant | "nothing", admitted: string]> = {
  "GET /health": ["nothing", "200"],
  "POST /api/v1/mail/send": ["mail:send", "400 invalid_request"],
  "POST /api/v1/mail/send/batch": ["mail:send", "400 invalid_request"],
  "POST /api/v1/mail/retry/{id}": ["mail:send", "404 mail_not_found"],
  "GET /api/v1/mail/status/{id}": ["mail:read", "404 mail_not_found"],
  "GET /api/v1/mail/history": ["mail:read", "200"],
  "DELETE /api/v1/mail/cancel/{id}": ["mail:cancel", "404 mail_not_found"],
  "POST /api/v1/auth/token": ["admin", "400 invalid_request"],
  "GET /api/v1/auth/token/{id}": ["admin", "404 token_not_found"],
  "DELETE /api/v1/auth/token/{id}": ["admin", "404 token_not_found"],
  "GET /api/v1/auth/tokens": ["admin", "200"],
  "POST /api/v1/auth/sender-config": ["admin", "400 invalid_request"],
  "GET /api/v1/auth/sender-configs": ["admin", "200"],
  "GET /api/v1/auth/sender-config/{id}": ["admin", "404 sender_config_not_found"],
  "PUT /api/v1/auth/sender-config/{id}": ["admin", "404 sender_config_not_found"],
  "DELETE /api/v1/auth/sender-config/{id}": ["admin", "404 sender_config_not_found"],
  "POST /api/schedule/mail": ["mail:send", "422"],
  "GET /api/schedule/mail": ["mail:read", "200"],
  "GET /api/schedule/mail/{id}": ["mail:read", "422"],
  "PUT /api/schedule/mail/{id}": ["mail:send", "422"],
  "DELETE /api/schedule/mail/{id}": ["mail:send", "422"],
  "PATCH /api/schedule/mail/{id}/status": ["mail:send", "422"],
  "POST /api/execute/mail/{id}": ["mail:send", "422"],
  "POST /api/execute/mail/trigger-due": ["mail:send", "200"],
};

/** Scheduled mail tells of problems in a sentence alone: by its status they are told apart. */
const inDetail = (path: string) => path.startsWith("/api/schedule/") || path.startsWith("/api/execute/");
const asTold = (path: string, outcome: string) => (inDetail(path) ? outcome.slice(0, 3) : outcome);

interface Issued {
  token: string;
  clientId: string;
}

async function issue(system: System, ...permissions: string[]): Promise<Issued> {
  const body = { client_name: `May ${permissions.join(", ")}`, permissions };
  const { status, body: reply, text } = await system.call("/api/v1/auth/token", { method: "POST", body });
  assert.is(status, 201, text);
  return { token: String(reply["token"]), clientId: String(reply["client_id"]) };
}

const revoke = (system: System, { clientId }: Issued) =>
  system.call(`/api/v1/auth/token/${clientId}`, { method: "DELETE" });

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;

function signedWith(alg: string, claims: object, key: typeof privateKey | string): string {
  const body = `${encode({ alg, typ: "JWT" })}.${encode(claims)}`;
  const hash = `sha${alg.slice(2)}`;
  const signature =
    typeof key === "string" ? createHmac(hash, key).update(body).digest() : sign(hash, Buffer.from(body), key);
  return `${body}.${signature.toString("base64url")}`;
}

/** `200`, or the status and the code of the problem. */
function told({ status, body }: Answer): string {
  return typeof body["error"] === "string" ? `${status} ${body["error"]}` : String(status);
}

/** Routes by their method and path, with the folder of their function. */
async function operations(system: System): Promise<{ route: string; tag: string }[]> {
  const { paths } = (await system.call("/openapi.json")).body as {
    paths: Record<string, Record<string, { tags?: string[] }>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { tags = [] }]) => ({
      route: `${method.toUpperCase()} ${path}`,
      tag: tags[0] ?? "",
    })),
  );
}

access("a client of the mail API is nobody to the CRM, whatever it may do with mail", async ({ one }) => {
  const { token } = await issue(one, ...grants);
  const crm = (await operations(one)).filter(({ route, tag }) => tag.startsWith("crm") && route.includes("/api/v1/"));
  const own = new Set(["POST /api/v1/auth/login", "GET /api/v1/analytics/reports/{link}"]); // ask for no token
  assert.ok(crm.length > 20);
  for (const { route } of crm.filter((each) => !own.has(each.route))) {
    const [method = "", path = ""] = route.split(" ");
    const answer = await one.call(path.replaceAll(/\{\w+\}/g, "1"), { method, token });
    assert.is(answer.status, 401, `${route}: ${answer.text}`);
  }
});

access("every route lets in exactly those that it is for, whatever token they come with", async ({ one }) => {
  const served = (await operations(one)).filter(({ tag }) => !tag.startsWith("crm")).map(({ route }) => route);
  assert.equal(served.toSorted(), Object.keys(routes).toSorted(), "every route is in the table, and no other");

  const admin = await issue(one, "admin");
  const claims = claimsOf(admin.token);
  const [head = "", payload = "", signature = ""] = admin.token.split(".");
  const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const revoked = await issue(one, "admin");
  assert.is(told(await revoke(one, revoked)), "200");
  const unknown = randomUUID();

  const refused: [what: string, header: string | undefined, outcome: string][] = [
    ["no token", undefined, "401 missing_token"],
    ["another scheme", "Basic YWRtaW46YWRtaW4=", "401 invalid_token_format"],
    ["nothing behind Bearer", "Bearer", "401 invalid_token_format"],
    ["two tokens", `Bearer ${admin.token} ${admin.token}`, "401 invalid_token_format"],
    ["the token alone", admin.token, "401 invalid_token_format"],
    ["garbage", "Bearer garbage", "401 invalid_token"],
    ["garbage in three parts", "Bearer a.b.c", "401 invalid_token"],
    ["no algorithm", `Bearer ${encode({ alg: "none", typ: "JWT" })}.${payload}.`, "401 invalid_token"],
    [
      "no algorithm, with a signature",
      `Bearer ${encode({ alg: "none" })}.${payload}.${signature}`,
      "401 invalid_token",
    ],
    ["the public key as a secret", `Bearer ${signedWith("HS256", claims, publicPem)}`, "401 invalid_token"],
    ["another algorithm of our key", `Bearer ${signedWith("RS512", claims, privateKey)}`, "401 invalid_token"],
    ["a signature cut short", `Bearer ${admin.token.slice(0, -1)}`, "401 invalid_token"],
    ["no signature", `Bearer ${head}.${payload}.`, "401 invalid_token"],
    ["another key", `Bearer ${signedWith("RS256", claims, stranger)}`, "401 invalid_token"],
    [
      "never issued",
      `Bearer ${signedWith("RS256", { ...claims, jti: unknown, sub: unknown }, privateKey)}`,
      "401 invalid_token",
    ],
    [
      "an issued id under other claims",
      `Bearer ${signedWith("RS256", { ...claims, x: 1 }, privateKey)}`,
      "401 invalid_token",
    ],
    ["revoked", `Bearer ${revoked.token}`, "401 token_revoked"],
  ];
  const granted = await Promise.all(grants.map(async (grant) => [grant, (await issue(one, grant)).token] as const));

  const found: Record<string, string> = {};
  const expected: Record<string, string> = {};
  for (const [route, [needs, admitted]] of Object.entries(routes)) {
    const [method = "", path = ""] = route.split(" ");
    const body = method.startsWith("P") ? {} : undefined;
    const ask = (header: string | undefined) =>
      one.call(path.replace("{id}", randomUUID()), {
        method,
        token: null,
        ...(body && { body }),
        ...(header !== undefined && { headers: { authorization: header } }),
      });
    for (const [what, header, outcome] of refused) {
      const answer = await ask(header);
      found[`${route}: ${what}`] = told(answer);
      expected[`${route}: ${what}`] = needs === "nothing" ? admitted : asTold(path, outcome);
      if (needs === "nothing") continue;
      assert.is(answer.headers.get("www-authenticate"), "Bearer", `${route}: ${what}`);
      const { success, message, detail } = answer.body;
      assert.equal(
        inDetail(path) ? [typeof detail] : [success, typeof message],
        inDetail(path) ? ["string"] : [false, "string"],
      );
      assert.not(answer.text.includes(payload), "an answer repeats nothing of a token");
    }
    for (const [grant, token] of granted) {
      found[`${route}: ${grant}`] = told(await ask(`Bearer ${token}`));
      const fits = needs === "nothing" || needs === grant || grant === "admin";
      expected[`${route}: ${grant}`] = fits ? admitted : asTold(path, "403 permission_denied");
    }
  }
  assert.equal(found, expected);
});

access("a system that signs with HS256 takes no RS256, and the other way round", async ({ one }) => {
  const secret = "a secret of the whole company";
  const system = await startSystem({
    env: { DATABASE_URL: await freshDatabase(), JWT_SECRET: secret, MAIL_SENDER: "sandbox" },
  });
  const { token } = await issue(system, "admin");
  const claims = claimsOf(token);
  const tried: [what: string, system: System, token: string, outcome: string][] = [
    ["its own", system, token, "200"],
    ["RS256", system, signedWith("RS256", claims, privateKey), "401 invalid_token"],
    ["HS512", system, signedWith("HS512", claims, secret), "401 invalid_token"],
    ["the other system's", system, one.token, "401 invalid_token"],
    ["this system's at the other", one, token, "401 invalid_token"],
  ];
  for (const [what, at, given, outcome] of tried) {
    assert.is(told(await at.call("/api/v1/mail/history", { token: given })), outcome, what);
  }
  await system.stop();
});

access("a department neither sees nor touches another's mail; an administrator sees all", async ({ one }) => {
  const [sales, hr] = await Promise.all([issue(one, ...grants.slice(0, 3)), issue(one, ...grants.slice(0, 3))]);
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const sent = await one.send({ send_at: later }, { token: sales.token });
  assert.is(sent.status, 200, sent.text);
  const id = String(sent.body["mail_id"]);
  const at = (token: string, path: string, method = "GET") => one.call(`/api/v1/mail/${path}`, { method, token });

  for (const [path, method] of [
    [`status/${id}`, "GET"],
    [`status/${id}?events=true`, "GET"],
    [`cancel/${id}`, "DELETE"],
    [`retry/${id}`, "POST"],
  ] as const) {
    assert.is(told(await at(hr.token, path, method)), "404 mail_not_found", `${method} ${path}`);
  }
  assert.equal((await at(hr.token, "history")).body["data"], []);
  assert.equal((await at(hr.token, `history?client_id=${sales.clientId}`)).body["data"] ?? [], []);

  const idsFor = async (token: string) => {
    const { data } = (await at(token, "history?limit=100")).body as { data: { id: string }[] };
    return data.map((mail) => mail.id);
  };
  assert.equal(await idsFor(sales.token), [id]);
  assert.ok((await idsFor(one.token)).includes(id));
  assert.is((await at(one.token, `status/${id}`)).body["status"], "queued", "hr's cancel did nothing");
  assert.is(told(await at(sales.token, `cancel/${id}`, "DELETE")), "200");
});

access(
  "a revoked token is refused in every container within a second, and no request asks the database",
  async (state) => {
    const { one, other, env } = state;
    const client = await issue(one, "mail:read");
    const [atOne, atOther] = [one, other].map((system) => async () => {
      return told(await system.call(`/api/v1/mail/status/${randomUUID()}`, { token: client.token }));
    });
    assert.ok(atOne && atOther);
    assert.equal([await atOne(), await atOther()], ["404 mail_not_found", "404 mail_not_found"]);

    // While nobody can read the table of tokens, both let the client in all the same.
    const database = new Client({ connectionString: env["DATABASE_URL"] });
    await database.connect();
    await database.query("BEGIN");
    await database.query("LOCK TABLE client_tokens IN ACCESS EXCLUSIVE MODE");
    for (let count = 0; count < 20; count++) {
      assert.equal([await atOne(), await atOther()], ["404 mail_not_found", "404 mail_not_found"]);
    }
    await database.query("ROLLBACK");
    await database.end();

    assert.is(told(await revoke(one, client)), "200");
    const refused = async () => (await atOne()) === "401 token_revoked" && (await atOther()) === "401 token_revoked";
    await eventually(refused, { what: "both refuse it", within: 1000 });
    for (const system of [one, other]) assert.is(told(await revoke(system, client)), "200", "again is as good as once");
  },
);

access("an operator issues, lists and revokes tokens by the command line", async ({ env, one, other }) => {
  const fn = async (...args: string[]) => {
    const { code, stdout, stderr } = await runFn(["token", ...args], { env: { ...env, DATA_DIR: one.dataDir } });
    return { code, stderr, stdout };
  };
  const billing = ["--name", "Billing 帳務", "--department", "finance", "--permissions", "mail.read,mail:send"];
  const made = await fn("create", ...billing, "--quota-requests", "5", "--quota-mails", "0", "--json");
  assert.is(made.code, 0, made.stderr);
  const { token, client_id: clientId } = JSON.parse(made.stdout) as { token: string; client_id: string };
  const info = (await one.call(`/api/v1/auth/token/${clientId}`)).body;
  assert.equal(
    [info["client_name"], info["department"], info["permissions"], info["quota"]],
    ["Billing 帳務", "finance", ["mail:read", "mail:send"], { requests_per_minute: 5, mails_per_hour: 0 }],
  );

  const listed = await fn("list", "--limit", "1", "--json");
  assert.is(listed.code, 0, listed.stderr);
  const { data, ...page } = JSON.parse(listed.stdout) as { data: unknown; total: number };
  assert.equal([data, page], [[info], { total: page.total, page: 1, limit: 1 }], "as the API shows it");
  const table = await fn("list");
  assert.match(
    table.stdout.split("\n")[1] ?? "",
    new RegExp(`^${clientId} +Billing 帳務 +finance +mail:read,mail:send`),
  );

  assert.is(told(await other.call("/api/v1/mail/history", { token })), "200");
  const revoked = await fn("revoke", clientId);
  assert.is(revoked.code, 0, revoked.stderr);
  const refused = async () => told(await other.call("/api/v1/mail/history", { token })) === "401 token_revoked";
  await eventually(refused, { what: "a running container refuses it", within: 1000 });

  const wrong: [args: string[], code: number, says: string][] = [
    [["revoke", "client_00000000"], 1, "No token has this id"],
    [["create", "--name", "X", "--permissions", "mail:everything"], 64, '"mail:everything" is none of mail:send'],
    [["create", "--name", "A\nB", "--permissions", "admin"], 64, "--name must not contain control characters"],
    [["create", "--name", "X", "--permissions", "admin", "--quota-mails", "-1"], 64, "--quota-mails"],
    [["create", "--name", "X", "--permissions", "admin", "--quota-requests", "many"], 64, "--quota-requests"],
    [["list", "--page", "0"], 64, "--page"],
  ];
  const answers = await Promise.all(wrong.map(([args]) => fn(...args)));
  for (const [index, [args, code, says]] of wrong.entries()) {
    const { code: ended, stderr } = answers[index] ?? { code: null, stderr: "" };
    assert.is(ended, code, args.join(" "));
    assert.ok(stderr.includes(says), stderr);
    assert.not(stderr.includes("    at "), "no stack");
  }
  const help = await fn("create", "--help");
  assert.match(help.stdout, "--quota-requests");
});

access("the list of tokens is paged, and what a token is asked for with is checked", async ({ one }) => {
  const list = (query: string) => one.call(`/api/v1/auth/tokens${query}`);
  for (let count = 0; count < 3; count++) await issue(one, "mail:read");
  const all = (await list("?limit=500")).body as { total: number; limit: number; data: { created_at: string }[] };
  assert.is(all.limit, 100, "more than 100 is taken as 100, and shown so");
  const second = (await list("?page=2&limit=2")).body;
  assert.equal([second["page"], second["limit"], second["total"]], [2, 2, all.total]);
  assert.equal(second["data"], all.data.slice(2, 4));
  const times = all.data.map((token) => token.created_at);
  assert.equal(times, times.toSorted().toReversed(), "newest first");
  for (const query of ["?page=0", "?page=-1", "?limit=0", "?limit=many", "?page=1.5", "?page=", "?page=1&page=2"]) {
    assert.is(told(await list(query)), "400 invalid_request", query);
  }

  const right = { client_name: "Sales", permissions: ["mail:send"] };
  const wrong: [body: object, field: string][] = [
    [{ ...right, client_name: "a\u0000b" }, "client_name"],
    [{ ...right, client_name: "a\nb" }, "client_name"],
    [{ ...right, client_name: " " }, "client_name"],
    [{ ...right, client_name: "x".repeat(256) }, "client_name"],
    [{ ...right, department: "a\u0000b" }, "department"],
    [{ ...right, permissions: [] }, "permissions"],
    [{ ...right, permissions: ["mail:send", "mail:all"] }, "permissions[1]"],
    [{ ...right, quota: { requests_per_minute: -1 } }, "quota.requests_per_minute"],
    [{ ...right, quota: { mails_per_hour: 1.5 } }, "quota.mails_per_hour"],
    [{ ...right, quota: 7 }, "quota"],
  ];
  for (const [body, field] of wrong) {
    const answer = await one.call("/api/v1/auth/token", { method: "POST", body });
    assert.is(told(answer), "400 invalid_request", JSON.stringify(body));
    const details = answer.body["details"] as { field: string }[];
    assert.is(details[0]?.field, field, answer.text);
  }
  for (const id of ["%00", "a%0Ab", "x".repeat(200)]) {
    const { status } = await one.call(`/api/v1/auth/token/${id}`);
    assert.ok(status === 400 || status === 404, `${id}: ${status}`);
  }
});

access.run();
