import { suite } from "uvu";
import * as assert from "uvu/assert";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually } from "../../ops/harness/test.ts";
import { Problem } from "../../runtime/problem.ts";
import { createSenderConfig } from "../auth/sender-configs.ts";
import { senderAccount } from "./account.ts";

const test = suite<{ context: TestContext }>("account");

test.before(async (state) => {
  state.context = await openContext({ env: { ORG_EMAIL_DOMAIN: "acme.example" } });
  const settings = {
    tenantId: "tenant-1",
    clientId: "app-1",
    clientSecret: `${confidential}-secret`,
    isActive: true,
    clientIds: null,
  };
  const { ctx } = state.context;
  await createSenderConfig(ctx, "all@acme.example", settings);
  await createSenderConfig(ctx, "some@acme.example", { ...settings, clientIds: ["client_a", "client_b"] });
  await createSenderConfig(ctx, "off@acme.example", { ...settings, isActive: false, clientIds: ["client_a"] });
});
test.after(({ context }) => context.close());

/** The mailbox that sends, or the problem. */
async function outcome({ ctx }: TestContext, from: string, clientId: string): Promise<string> {
  try {
    const { mailbox, ...application } = await senderAccount(ctx, from, clientId);
    assert.equal(application, { tenantId: "tenant-1", clientId: "app-1", clientSecret: `${confidential}-secret` });
    return mailbox;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.status} ${error.code}`;
  }
}

const cases: [from: string, client: string, outcome: string][] = [
  ["all@acme.example", "client_a", "all@acme.example"],
  ["All@acme.example", "client_z", "All@acme.example"],
  ["some@acme.example", "client_a", "some@acme.example"],
  ["SOME@acme.example", "client_b", "SOME@acme.example"],
  ["some@acme.example", "client_c", "403 sender_not_allowed"],
  ["some@acme.example", "CLIENT_A", "403 sender_not_allowed"],
  ["off@acme.example", "client_a", "400 sender_not_configured"],
  ["off@acme.example", "client_c", "400 sender_not_configured"],
  ["none@acme.example", "client_a", "400 sender_not_configured"],
];
for (const [from, clientId, expected] of cases) {
  test(`${clientId} sends from ${from}: ${expected}`, async ({ context }) => {
    // A sender that was looked for before it had a config is remembered until the notification of it has come.
    await eventually(async () => (await outcome(context, from, clientId)) === expected, { what: expected });
  });
}

test.run();
