import { createHmac, createPublicKey, generateKeyPairSync, sign as signWith } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { startPostgres } from "../../ops/harness/services.ts";
import { eventually, freshRedis } from "../../ops/harness/test.ts";
import { Problem } from "../../runtime/problem.ts";
import { isUnavailable } from "../resources/database.ts";
import { client, hashToken } from "./access.ts";
import { Caller } from "./caller.ts";
import type { Permission } from "./permissions.ts";
import { createToken } from "./tokens.ts";

const test = suite<{ rsa: TestContext; hmac: TestContext }>("access");

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const publicPem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();

/** One system that signs with RS256, and one with HS256. */
test.before(async (state) => {
  state.rsa = await openContext({ env: { JWT_PRIVATE_KEY: pem } });
  state.hmac = await openContext();
});
test.after(async ({ rsa, hmac }) => {
  await rsa.close();
  await hmac.close();
});

async function issue(context: TestContext, permissions: Permission[] = ["mail:send"]): Promise<string> {
  const { token } = await createToken(context.ctx, { clientName: "Sales", department: "EMEA", permissions });
  context.keepSecret(token);
  return token;
}

/** Who is let in with this header: the client's name, or the code of the problem. */
async function enter({ ctx }: TestContext, header: string | undefined, permission: Permission = "mail:send") {
  try {
    const request = { header: (name: string) => (name === "authorization" ? header : undefined), ip: undefined };
    return (await client(permission).check(request, ctx)).clientName;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    assert.is(error.status, { permission_denied: 403, rate_limited: 429 }[error.code] ?? 401);
    if (error.status === 401) assert.is(error.headers?.["www-authenticate"], "Bearer");
    return error.code;
  }
}
const bearer = (context: TestContext, token: string, permission?: Permission) =>
  enter(context, `Bearer ${token}`, permission);

/** Runs while the row of an issued token has the hash of another. */
async function withHash({ ctx }: TestContext, token: string, id: string, run: () => Promise<void>): Promise<void> {
  const replace = `UPDATE client_tokens AS now SET token_hash = $2 FROM client_tokens AS before
    WHERE now.id = $1 AND before.id = $1 RETURNING before.token_hash`;
  const { rows } = await ctx.db.query<{ token_hash: string }>(replace, [id, hashToken(token)]);
  await run();
  await ctx.db.query(replace, [id, rows[0]?.token_hash]);
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
const hs = (alg: "HS256" | "HS512", claims: unknown, secret: string) => {
  const body = `${encode({ alg, typ: "JWT" })}.${encode(claims)}`;
  const hash = alg === "HS256" ? "sha256" : "sha512";
  return `${body}.${createHmac(hash, secret).update(body).digest("base64url")}`;
};
const rs = (alg: "RS256" | "RS512", claims: unknown, key = privateKey) => {
  const body = `${encode({ alg, typ: "JWT" })}.${encode(claims)}`;
  return `${body}.${signWith(alg === "RS256" ? "sha256" : "sha512", Buffer.from(body), key).toString("base64url")}`;
};

test("a token that was issued lets its client in, under either algorithm", async ({ rsa, hmac }) => {
  for (const [context, alg] of [
    [rsa, "RS256"],
    [hmac, "HS256"],
  ] as const) {
    const token = await issue(context);
    assert.is(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).alg, alg);
    assert.is(await bearer(context, token), "Sales");
    assert.is(await bearer(context, token), "Sales", "from memory, too");
    assert.is(await enter(context, `bearer   ${token} `), "Sales", "the scheme's case and spaces do not count");
  }
});

test("who is let in is known with department and permissions", async ({ rsa }) => {
  const token = await issue(rsa, ["mail:read"]);
  const caller = await client("mail:read").check({ header: () => `Bearer ${token}`, ip: undefined }, rsa.ctx);
  assert.is(caller.department, "EMEA");
  assert.is(caller.tokenId, claimsOf(token)["jti"]);
  assert.equal([caller.may("mail:read"), caller.may("mail:send")], [true, false]);
});

const headers: [header: string | undefined, code: string][] = [
  [undefined, "missing_token"],
  ["", "missing_token"],
  ["  ", "missing_token"],
  ["Basic YTpi", "invalid_token_format"],
  ["Bearer", "invalid_token_format"],
  ["Bearer a b", "invalid_token_format"],
  ["Token x.y.z", "invalid_token_format"],
  ["Bearer x", "invalid_token"],
  ["Bearer x.y.z", "invalid_token"],
  ["Bearer ..", "invalid_token"],
  [`Bearer ${"a".repeat(8000)}.b.c`, "invalid_token"],
];
for (const [header, code] of headers) {
  test(`the header ${JSON.stringify(header?.slice(0, 30))} is ${code}`, async ({ rsa }) => {
    assert.is(await enter(rsa, header), code);
  });
}

test("a forged token is not let in, whatever it is made with", async ({ rsa, hmac }) => {
  const token = await issue(rsa);
  const claims = claimsOf(token);
  const [head, body, signature = ""] = token.split(".");
  const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const { iss: _iss, ...anonymous } = claims;
  const forged: [how: string, token: string][] = [
    ["no algorithm", `${encode({ alg: "none" })}.${body}.`],
    ["no algorithm, with a signature", `${encode({ alg: "none" })}.${body}.${signature}`],
    ["no algorithm, oddly written", `${encode({ alg: "nOnE" })}.${body}.`],
    ["no signature", `${head}.${body}.`],
    ["the public key as a secret", hs("HS256", claims, publicPem)],
    ["the public key as a secret, trimmed", hs("HS256", claims, publicPem.trim())],
    ["another algorithm of the same key", rs("RS512", claims)],
    ["another key", rs("RS256", claims, stranger)],
    ["other claims under the old signature", `${head}.${encode({ ...claims, permissions: ["admin"] })}.${signature}`],
    ["another issuer", rs("RS256", { ...claims, iss: "somebody else" })],
    ["no issuer", rs("RS256", anonymous)],
  ];
  for (const [how, one] of forged) {
    assert.is(await bearer(rsa, one), "invalid_token", how);
    // Not even when its hash is in the database: the signature is checked for its own sake.
    await withHash(rsa, one, String(claims["jti"]), async () => {
      assert.is(await bearer(rsa, one), "invalid_token", how);
    });
  }

  const other = await issue(hmac, ["admin"]);
  const secret = hmac.ctx.config.jwt.secret ?? "";
  const forgedHmac: [how: string, token: string][] = [
    ["RS256 where HS256 holds", rs("RS256", claimsOf(other))],
    ["another algorithm of the same secret", hs("HS512", claimsOf(other), secret)],
    ["another secret", hs("HS256", claimsOf(other), `${secret}!`)],
    ["another system's token", token],
  ];
  for (const [how, one] of forgedHmac) {
    await withHash(hmac, one, String(claimsOf(other)["jti"]), async () => {
      assert.is(await bearer(hmac, one), "invalid_token", how);
    });
  }
  assert.is(await bearer(rsa, token), "Sales", "the real one still is");
});

test("a token that we signed but did not issue is not let in", async ({ rsa }) => {
  const claims = claimsOf(await issue(rsa));
  const id = crypto.randomUUID();
  for (const signed of [
    { ...claims, jti: id, sub: id },
    { ...claims, permissions: ["admin"] }, // the issued id under a token of another hash
    { ...claims, jti: "1' OR '1'='1" },
    { ...claims, jti: 7 },
    { ...claims, jti: undefined },
  ]) {
    assert.is(await bearer(rsa, rs("RS256", signed)), "invalid_token");
  }
});

test("without the permission it says which one is needed; an admin has all", async ({ rsa }) => {
  const [sender, admin] = [await issue(rsa, ["mail:send"]), await issue(rsa, ["admin"])];
  assert.is(await bearer(rsa, sender, "mail:read"), "permission_denied");
  assert.is(await bearer(rsa, sender, "admin"), "permission_denied");
  for (const permission of ["mail:send", "mail:read", "mail:cancel", "admin"] as const) {
    assert.is(await bearer(rsa, admin, permission), "Sales");
  }
});

test("what the row says of permissions counts, not what the token says", async ({ rsa }) => {
  const token = await issue(rsa, ["admin"]);
  await bearer(rsa, token);
  const sql = "UPDATE client_tokens SET permissions = '{mail:read}' WHERE id = $1";
  await rsa.ctx.db.query(sql, [claimsOf(token)["jti"]]);
  await eventually(async () => (await bearer(rsa, token)) === "permission_denied", { what: "felt", within: 1000 });
});

test("a revocation by plain SQL is felt within a second, in two processes that both had let it in", async ({ rsa }) => {
  const env = { DATABASE_URL: rsa.url, DATA_DIR: rsa.folder, JWT_PRIVATE_KEY: pem };
  const other = await openContext({ env });
  const [revoked, deleted, kept] = [await issue(rsa), await issue(rsa), await issue(rsa)];
  for (const token of [revoked, deleted, kept]) {
    assert.equal([await bearer(rsa, token), await bearer(other, token)], ["Sales", "Sales"]);
  }
  await rsa.ctx.db.query("UPDATE client_tokens SET is_active = false, revoked_at = now() WHERE id = $1", [
    claimsOf(revoked)["jti"],
  ]);
  await rsa.ctx.db.query("DELETE FROM client_tokens WHERE id = $1", [claimsOf(deleted)["jti"]]);
  for (const context of [rsa, other]) {
    const felt = async (token: string, code: string) => (await bearer(context, token)) === code;
    await eventually(() => felt(revoked, "token_revoked"), { what: "the revocation is felt", within: 1000 });
    await eventually(() => felt(deleted, "invalid_token"), { what: "the deletion is felt", within: 1000 });
    assert.is(await bearer(context, kept), "Sales");
  }
  await other.close();
});

/** Three requests a minute, in process or in Redis. */
const places: [where: string, env: () => Promise<Record<string, string>>][] = [
  ["in process", async () => ({})],
  ["in Redis", async () => ({ KEYDB_URL: await freshRedis() })],
];
for (const [where, env] of places) {
  test(`a department's clients share its requests of a minute; one with a quota has its own (${where})`, async () => {
    const context = await openContext({ env: { ...(await env()), RATE_LIMIT_DEPARTMENT_PER_MINUTE: "3" } });
    const { ctx } = context;
    await eventually(() => ctx.cache.ping(), { what: "connected" });
    const of = async (department: string | undefined, perMinute?: number) => {
      const quota = perMinute === undefined ? undefined : { requests_per_minute: perMinute };
      const request = { clientName: "Sales", department, permissions: ["mail:send" as const], quota };
      const { token } = await createToken(ctx, request);
      context.keepSecret(token);
      return token;
    };
    const passed = async (token: string, times = 10) => {
      let count = 0;
      for (let n = 0; n < times; n++) if ((await bearer(context, token)) === "Sales") count++;
      return count;
    };
    const [ann, bob, cas, dan, eve, fay] = [
      await of("EMEA"),
      await of("EMEA"),
      await of("APAC"),
      await of(undefined),
      await of("EMEA", 5),
      await of("EMEA", 0),
    ];
    assert.is(await bearer(context, ann, "admin"), "permission_denied", "which does not count");
    assert.equal([await passed(ann, 2), await passed(bob), await passed(ann)], [2, 1, 0], "they share three");
    assert.equal([await passed(cas), await passed(dan)], [3, 3], "another department, and a client that has none");
    assert.equal([await passed(eve), await passed(fay, 50)], [5, 50], "a quota of its own, and one without a limit");

    const request = { header: () => `Bearer ${ann}`, ip: undefined, caller: undefined };
    try {
      await client("mail:send").check(request, ctx);
      assert.unreachable();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { status, code, message, headers = {} } = error;
      assert.equal([status, code], [429, "rate_limited"]);
      assert.is(message, "This department has made its 3 requests of a minute");
      assert.ok(Number(headers["retry-after"]) > 50 && Number(headers["retry-after"]) <= 61, headers["retry-after"]);
      assert.equal([headers["ratelimit-limit"], headers["ratelimit-remaining"]], ["3", "0"]);
    }
    assert.instance(request.caller, Caller, "who was refused is known all the same");
    await context.close();
  });
}

test("who is known is let in without a promise, also where requests are counted", async () => {
  const context = await openContext({ env: { RATE_LIMIT_DEPARTMENT_PER_MINUTE: "3" } });
  const token = await issue(context);
  await bearer(context, token);
  const request = { header: () => `Bearer ${token}`, ip: undefined };
  assert.instance(client("mail:send").check(request, context.ctx), Caller);
  await context.close();
});

test("with PostgreSQL away a known token lasts no more than a second, and it is said that it cannot be known", async () => {
  const server = await startPostgres({ durable: false });
  const context = await openContext({ env: { DATABASE_URL: server.url } });
  const token = await issue(context);
  assert.is(await bearer(context, token), "Sales");
  await server.stop();
  await eventually(
    () =>
      bearer(context, token).then(
        () => false,
        (error: unknown) => isUnavailable(error),
      ),
    { what: "nobody is let in on trust", within: 2500 },
  );
  await server.start();
  await eventually(async () => (await bearer(context, token)) === "Sales", { what: "let in again" });
  await context.close();
  await server.close();
});

test.run();
