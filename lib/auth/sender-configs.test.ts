import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshDatabase } from "../../ops/harness/test.ts";
import { Problem } from "../../runtime/problem.ts";
import { pageOf } from "../paging.ts";
import {
  createSenderConfig,
  deleteSenderConfig,
  listSenderConfigs,
  maskSecret,
  readSenderConfig,
  updateSenderConfig,
  type SenderSettings,
} from "./sender-configs.ts";
import { findSenderConfig } from "./known-senders.ts";

const test = suite<{ one: TestContext; other: TestContext }>("sender configs");

const secret = `${confidential}-wxyz`;
const settings: SenderSettings = {
  tenantId: "tenant-1",
  clientId: "app-1",
  clientSecret: secret,
  isActive: true,
  clientIds: null,
};
const noChange = {
  tenantId: undefined,
  clientId: undefined,
  clientSecret: undefined,
  isActive: undefined,
  clientIds: undefined,
};

/** Two containers on one database. */
test.before(async (state) => {
  const env = {
    ORG_EMAIL_DOMAIN: "acme.example, Acme.Test",
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    DATABASE_URL: await freshDatabase(),
  };
  state.one = await openContext({ env });
  state.other = await openContext({ env });
});
test.after(async ({ one, other }) => {
  await one.close();
  await other.close();
});

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const failure = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  return failure instanceof Problem ? `${failure.status} ${failure.code}` : String(failure);
};

test("what is kept of a sender is shown, its secret masked, and sealed in the database", async ({ one: { ctx } }) => {
  const made = await createSenderConfig(ctx, "Sales@ACME.example", { ...settings, clientIds: ["a", "b", "a"] });
  assert.equal(
    { ...made, id: "", createdAt: 0 },
    {
      id: "",
      senderEmail: "sales@acme.example",
      tenantId: "tenant-1",
      clientId: "app-1",
      maskedSecret: "Conf****wxyz",
      isActive: true,
      clientIds: ["a", "b"],
      createdAt: 0,
    },
  );
  assert.equal(await readSenderConfig(ctx, made.id.toUpperCase()), made, "the same wherever it shows");
  const { rows } = await ctx.db.query<object>("SELECT * FROM email_sender_configs WHERE id = $1", [made.id]);
  assert.not(JSON.stringify(rows).includes(confidential));
});

const masks: [secret: string, masked: string][] = [
  ["", "****"],
  ["elevenchars", "****"],
  ["twelve-chars", "twel****hars"],
  ["your-client-secret", "your****cret"],
  ["密碼密碼密碼密碼密碼密碼", "密碼密碼****密碼密碼"],
];
for (const [plain, masked] of masks) {
  test(`a secret of ${[...plain].length} characters is shown as ${masked}`, () => {
    assert.is(maskSecret(plain), masked);
  });
}

const addresses: [text: string, outcome: string][] = [
  ["a@acme.test", "a@acme.test"],
  ["Billing <b@acme.example>", "400 invalid_request"],
  ["<c@acme.example>", "400 invalid_request"],
  ["acme.example", "400 invalid_request"],
  ["d@acme.example\u0000", "400 invalid_request"],
  ["e@sub.acme.example", "400 invalid_sender_domain"],
  ["f@acme.example.evil.test", "400 invalid_sender_domain"],
  ["g@example.com", "400 invalid_sender_domain"],
];
for (const [text, outcome] of addresses) {
  test(`a config for ${JSON.stringify(text)}: ${outcome}`, async ({ one: { ctx } }) => {
    const made = createSenderConfig(ctx, text, settings);
    if (outcome.includes("@")) assert.is((await made).senderEmail, outcome);
    else assert.is(await codeOf(made), outcome);
  });
}

test("a sender has one config, however many ask for it at once and however they write it", async ({ one, other }) => {
  const ways = ["race@acme.example", "Race@acme.example", "RACE@ACME.EXAMPLE", "race@Acme.Example"];
  const asked = Array.from({ length: 20 }, (_, index) =>
    codeOf(createSenderConfig((index % 2 ? one : other).ctx, ways[index % ways.length] ?? "", settings)),
  );
  const outcomes = await Promise.all(asked);
  assert.is(outcomes.filter((outcome) => outcome === "undefined").length, 1);
  assert.is(outcomes.filter((outcome) => outcome === "409 sender_config_exists").length, 19);
});

test("a change changes what it is given, and nothing else", async ({ one: { ctx } }) => {
  const made = await createSenderConfig(ctx, "change@acme.example", { ...settings, clientIds: ["a"] });
  assert.equal(await updateSenderConfig(ctx, made.id, noChange), made);
  const off = await updateSenderConfig(ctx, made.id, { ...noChange, isActive: false });
  assert.equal(off, { ...made, isActive: false });
  const open = await updateSenderConfig(ctx, made.id, { ...noChange, clientIds: null });
  assert.equal(open, { ...off, clientIds: null });
  const moved = await updateSenderConfig(ctx, made.id.toUpperCase(), {
    ...noChange,
    tenantId: "tenant-2",
    clientId: "app-2",
    clientSecret: `${confidential}-1234`,
  });
  assert.equal(moved, { ...open, tenantId: "tenant-2", clientId: "app-2", maskedSecret: "Conf****1234" });
});

test("changes to different parts at once all hold", async ({ one, other }) => {
  const { id } = await createSenderConfig(one.ctx, "parts@acme.example", settings);
  await Promise.all([
    updateSenderConfig(one.ctx, id, { ...noChange, tenantId: "tenant-2" }),
    updateSenderConfig(other.ctx, id, { ...noChange, clientId: "app-2" }),
    updateSenderConfig(one.ctx, id, { ...noChange, isActive: false }),
  ]);
  const { tenantId, clientId, isActive } = await readSenderConfig(one.ctx, id);
  assert.equal({ tenantId, clientId, isActive }, { tenantId: "tenant-2", clientId: "app-2", isActive: false });
});

test("what is not there is told so", async ({ one: { ctx } }) => {
  const id = crypto.randomUUID();
  const change = { ...noChange, isActive: false };
  for (const work of [
    () => readSenderConfig(ctx, id),
    () => updateSenderConfig(ctx, id, change),
    () => updateSenderConfig(ctx, id, noChange),
    () => deleteSenderConfig(ctx, id),
  ]) {
    assert.is(await codeOf(work()), "404 sender_config_not_found");
  }
});

test("the list has them all, newest first, or the page that is asked for", async ({ one: { ctx } }) => {
  const all = await listSenderConfigs(ctx);
  assert.is(all.configs.length, all.total);
  const newest = await createSenderConfig(ctx, "newest@acme.example", settings);
  const now = await listSenderConfigs(ctx);
  assert.equal(now, { total: all.total + 1, configs: [newest, ...all.configs] });
  assert.equal(await listSenderConfigs(ctx, pageOf({ page: 2, limit: 2 })), {
    total: now.total,
    configs: now.configs.slice(2, 4),
  });
});

test("every container knows of a config, of its change and of its end within a second", async ({ one, other }) => {
  const email = "known@acme.example";
  const containers = [one.ctx, other.ctx];
  const seen = async () => {
    const found = await Promise.all(containers.map((ctx) => findSenderConfig(ctx, email)));
    return found.map((config) => config && `${config.tenantId} ${config.isActive}`).join(", ");
  };
  const within = 1000;
  assert.is(await seen(), ", ", "that there is none is remembered as well");
  const { id } = await createSenderConfig(one.ctx, email, settings);
  await eventually(async () => (await seen()) === "tenant-1 true, tenant-1 true", {
    what: "the config is known",
    within,
  });
  await updateSenderConfig(other.ctx, id, { ...noChange, isActive: false, tenantId: "tenant-2" });
  await eventually(async () => (await seen()) === "tenant-2 false, tenant-2 false", {
    what: "so is its change",
    within,
  });
  await deleteSenderConfig(one.ctx, id);
  await eventually(async () => (await seen()) === ", ", { what: "so is its end", within });
});

test("looking a sender up asks the database once", async ({ one: { ctx } }) => {
  await createSenderConfig(ctx, "hot@acme.example", settings);
  const away = { senderConfigs: ctx.senderConfigs, db: { ...ctx.db, query: () => Promise.reject(new Error("asked")) } };
  const remembered = async () => {
    await Promise.all([findSenderConfig(ctx, "hot@acme.example"), findSenderConfig(ctx, "nobody@acme.example")]);
    // What is told of other senders meanwhile may keep an answer from being kept.
    const hot = await findSenderConfig(away, "HOT@acme.example");
    return hot?.tenantId === "tenant-1" && (await findSenderConfig(away, "nobody@acme.example")) === undefined;
  };
  await eventually(remembered, { what: "both answers come from memory" });
});

test("a secret that no key opens is listed all the same, and can be replaced", async ({ one, other }) => {
  const { id } = await createSenderConfig(one.ctx, "lost@acme.example", settings);
  const stranger = await openContext({
    env: {
      DATABASE_URL: one.url,
      ORG_EMAIL_DOMAIN: "acme.example",
      ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    },
  });
  try {
    assert.is((await readSenderConfig(stranger.ctx, id)).maskedSecret, "****");
    assert.match(stranger.log.join(""), `which is not in ENCRYPTION_KEY`);
    const mended = await updateSenderConfig(stranger.ctx, id, { ...noChange, clientSecret: secret });
    assert.is(mended.maskedSecret, "Conf****wxyz");
  } finally {
    await stranger.close();
  }
  assert.is((await readSenderConfig(other.ctx, id)).maskedSecret, "****");
});

test.run();
