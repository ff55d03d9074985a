import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { Problem } from "../../runtime/problem.ts";
import { pageOf } from "../paging.ts";
import { tokenInfo } from "./token-info.ts";
import { createToken, listTokens, readToken, revokeToken } from "./tokens.ts";

const test = suite<{ context: TestContext }>("tokens");

const at = new Date("2026-01-20T10:00:00.500Z");
test.before(async (state) => {
  state.context = await openContext({ clock: { now: () => at } });
});
test.after(({ context }) => context.close());

test("a token names its client, and never ends by itself", async ({ context }) => {
  const { token, clientId, createdAt } = await createToken(context.ctx, {
    clientName: "業務部",
    department: "EMEA",
    permissions: ["mail:send", "mail:read", "mail:send"],
  });
  context.keepSecret(token);
  assert.match(clientId, /^client_[\da-f]{8}$/);
  assert.equal(createdAt, at);
  const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  const { rows } = await context.ctx.db.query<{ id: string }>("SELECT id FROM client_tokens WHERE client_id = $1", [
    clientId,
  ]);
  const id = rows[0]?.id;
  assert.equal(claims, {
    iss: "mail-proxy-system",
    sub: id,
    jti: id,
    iat: Math.floor(at.getTime() / 1000),
    client_id: clientId,
    client_name: "業務部",
    department: "EMEA",
    permissions: ["mail:send", "mail:read"],
  });
});

test("the database has a hash in place of the token", async ({ context }) => {
  const { token, clientId } = await createToken(context.ctx, {
    clientName: "Sales",
    department: undefined,
    permissions: ["admin"],
  });
  context.keepSecret(token);
  const { rows } = await context.ctx.db.query("SELECT * FROM client_tokens WHERE client_id = $1", [clientId]);
  const [row] = rows;
  assert.match(row?.["token_hash"], /^[\da-f]{64}$/);
  const kept = JSON.stringify(row);
  for (const part of [token, ...token.split(".")]) assert.not(kept.includes(part));
  assert.equal([row?.["is_active"], row?.["revoked_at"], row?.["department"]], [true, null, null]);
});

test("50 at once are 50 clients", async ({ context }) => {
  const request = { clientName: "Sales", department: undefined, permissions: ["mail:send" as const] };
  const issued = await Promise.all(Array.from({ length: 50 }, () => createToken(context.ctx, request)));
  assert.is(new Set(issued.map(({ clientId }) => clientId)).size, 50);
  assert.is(new Set(issued.map(({ token }) => token)).size, 50);
});

test("a client's own limits are kept with its token, and what gives none keeps none", async ({ context }) => {
  const request = { clientName: "Sales", department: " ", permissions: ["mail:send" as const] };
  const own = await createToken(context.ctx, { ...request, quota: { requests_per_minute: 0, mails_per_hour: 7 } });
  assert.equal(tokenInfo(await readToken(context.ctx, own.clientId)).quota, {
    requests_per_minute: 0,
    mails_per_hour: 7,
  });
  const none = await createToken(context.ctx, { ...request, quota: {} });
  const info = tokenInfo(await readToken(context.ctx, none.clientId));
  assert.not("quota" in info);
  assert.is(info.department, null, "a blank department is none");
});

test("a token is found by its own id and by its client's", async ({ context }) => {
  const { clientId, token } = await createToken(context.ctx, {
    clientName: "Sales",
    department: "EMEA",
    permissions: ["mail:read"],
  });
  context.keepSecret(token);
  const info = tokenInfo(await readToken(context.ctx, clientId));
  assert.equal(
    { ...info, id: "" },
    {
      id: "",
      client_id: clientId,
      client_name: "Sales",
      department: "EMEA",
      permissions: ["mail:read"],
      is_active: true,
      created_at: at.toISOString(),
      revoked_at: null,
    },
  );
  assert.equal(tokenInfo(await readToken(context.ctx, info.id.toUpperCase())), info);
});

const nobody = ["client_00000000", "550e8400-e29b-41d4-a716-446655440000", "", "'; --"];
for (const id of nobody) {
  test(`no token has the id "${id}"`, async ({ context }) => {
    for (const look of [readToken, revokeToken]) {
      const failure = await look(context.ctx, id).catch((error: unknown) => error);
      assert.is(failure instanceof Problem && failure.code, "token_not_found");
    }
  });
}

test("a revoked token says when; revoking it again changes nothing", async ({ context }) => {
  const { clientId } = await createToken(context.ctx, {
    clientName: "Sales",
    department: undefined,
    permissions: ["mail:send"],
  });
  const { id } = await readToken(context.ctx, clientId);
  await revokeToken(context.ctx, id);
  const { entities, clock } = context.ctx;
  await revokeToken({ entities, clock: { ...clock, now: () => new Date("2027-01-01T00:00:00Z") } }, clientId);
  const { is_active, revoked_at } = tokenInfo(await readToken(context.ctx, clientId));
  assert.equal({ is_active, revoked_at }, { is_active: false, revoked_at: at.toISOString() });
});

test("the list shows every token on one page, newest first", async () => {
  let now = Date.parse("2026-01-20T10:00:00Z");
  const own = await openContext({ clock: { now: () => new Date((now += 1000)) } });
  try {
    const request = { clientName: "Sales", department: undefined, permissions: ["mail:send" as const] };
    const made: string[] = [];
    for (let count = 0; count < 7; count++) made.unshift((await createToken(own.ctx, request)).clientId);
    const seen: string[] = [];
    for (const page of [1, 2, 3, 4]) {
      const { total, tokens } = await listTokens(own.ctx, pageOf({ page, limit: 3 }));
      assert.is(total, 7);
      seen.push(...tokens.map(({ clientId }) => clientId));
    }
    assert.equal(seen, made);
  } finally {
    await own.close();
  }
});

test.run();
