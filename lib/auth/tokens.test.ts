import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { createToken } from "./tokens.ts";

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

test.run();
