/** Who may hand over mail by SMTP, and what. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually } from "../../ops/harness/test.ts";
import { refusal } from "../mail/accept.fixture.ts";
import { createToken } from "./tokens.ts";
import { checkSenderDomain, relay } from "./relay.ts";

const test = suite("SMTP access");
let context: TestContext;
let token = "";
let user = "";
test.before(async () => {
  context = await openContext({
    env: { SMTP_ALLOWED_NETWORKS: "10.0.0.0/8", SMTP_ALLOWED_DOMAINS: "corp.example" },
  });
  const request = { clientName: "Printers", department: undefined, permissions: ["mail:send"] as const };
  const issued = await createToken(context.ctx, request);
  token = issued.token;
  user = issued.clientId;
  context.keepSecret(token);
});
test.after(() => context.close());

const check = (remoteAddress: string, credentials?: { user: string; password: string }) =>
  (async () => relay.check({ remoteAddress, secure: true, credentials }, context.ctx))();

test("from an allowed network anybody may, as the relay; from elsewhere only who signs in", async () => {
  assert.is((await check("10.1.2.3")).clientId, "smtp-relay");
  assert.is((await refusal(check("192.0.2.1"))).code, "authentication_required");
  assert.is((await check("192.0.2.1", { user, password: token })).clientId, user);
  assert.ok(relay.trusts?.("10.1.2.3", context.ctx));
  assert.not(relay.trusts?.("192.0.2.1", context.ctx));
});

const wrong: [what: string, given: () => { user: string; password: string }, code: string][] = [
  ["another client's name", () => ({ user: "client_other", password: token }), "permission_denied"],
  ["no token", () => ({ user, password: "guess" }), "invalid_token"],
  ["nothing", () => ({ user: "", password: "" }), "invalid_token"],
  ["half a token", () => ({ user, password: token.slice(0, -10) }), "invalid_token"],
];
for (const [what, given, code] of wrong) {
  test(`${what} is not let in, from wherever it comes`, async () => {
    assert.is((await refusal(check("10.1.2.3", given()))).code, code);
  });
}

test("a token without mail:send, and one that was revoked, are not let in", async () => {
  const reader = await createToken(context.ctx, {
    clientName: "Reader",
    department: undefined,
    permissions: ["mail:read"],
  });
  context.keepSecret(reader.token);
  const denied = await refusal(check("10.1.2.3", { user: reader.clientId, password: reader.token }));
  assert.is(denied.code, "permission_denied");
  await context.ctx.db.query("UPDATE client_tokens SET is_active = false WHERE client_id = $1", [reader.clientId]);
  await eventually(
    async () =>
      (await refusal(check("10.1.2.3", { user: reader.clientId, password: reader.token }))).code === "token_revoked",
    { what: "the revocation holds", within: 2000 },
  );
});

test("senders are of the allowed domains, exactly, or the null sender", async () => {
  const caller = await check("10.1.2.3");
  const sender = async (address: string) => relay.sender?.(address, caller, context.ctx);
  await sender("a@corp.example");
  await sender("");
  for (const address of ["a@sub.corp.example", "a@evilcorp.example", "a@example.org"]) {
    assert.is((await refusal(sender(address))).code, "sender_domain_not_allowed", address);
  }
  assert.throws(() => checkSenderDomain(context.ctx, "example.org"));
});

test("a recipient is an address that providers deliver to", async () => {
  const caller = await check("10.1.2.3");
  const recipient = async (address: string) => relay.recipient?.(address, caller, context.ctx);
  await recipient("ann@例え.jp");
  assert.is((await refusal(recipient("王@example.org"))).code, "international_local_part");
  for (const address of ["postmaster", '"a b"@example.org', "a@[127.0.0.1]", "a@localhost", "a..b@example.org"]) {
    assert.is((await refusal(recipient(address))).code, "invalid_request", address);
  }
});

test.run();
