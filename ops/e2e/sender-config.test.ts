/** Senders of the organisation: an administrator keeps their Microsoft applications, and clients send as them. */
import { randomBytes, randomUUID } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase } from "../harness/test.ts";
import { runFn, type Variables } from "./fn.ts";
import { startSystem, stopAll, type Answer, type System } from "./system.ts";

interface Houses {
  env: Variables;
  /** Two containers on one database. */
  one: System;
  other: System;
}

const senders = suite<Houses>("sender configs");

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)].map((key) => key.toString("base64"));
const secret = "s3cr3t-of-the-application";

/** What accepts mail, and delivers none: nothing goes to Microsoft from here. */
const functions = "auth/*,mail/send,mail/status,health";

senders.before(async (state) => {
  state.env = {
    DATABASE_URL: await freshDatabase(),
    JWT_SECRET: randomUUID(),
    ENCRYPTION_KEY: oldKey ?? "",
    ORG_EMAIL_DOMAIN: "@corp.example,corp.test",
    FUNCTIONS: functions,
  };
  state.one = await startSystem({ env: state.env });
  state.other = await startSystem({ env: state.env, token: state.one.token });
});
senders.after(stopAll);

const application = { ms_tenant_id: "tenant-1", ms_client_id: "app-1", ms_client_secret: secret };

const create = (system: System, body: object) =>
  system.call("/api/v1/auth/sender-config", { method: "POST", body: { ...application, ...body } });
const at = (system: System, id: string, method = "GET", body?: object) =>
  system.call(`/api/v1/auth/sender-config/${id}`, { method, ...(body && { body }) });

function told({ status, body }: Answer): string {
  return status < 400 ? String(status) : `${status} ${String(body["error"])}`;
}

function dataOf({ status, body, text }: Answer): Record<string, unknown> & { id: string } {
  assert.ok(status < 300, text);
  assert.is(body["success"], true);
  return body["data"] as Record<string, unknown> & { id: string };
}

const aSender = () => `${randomUUID()}@corp.example`;

senders(
  "a config is made, shown, listed, changed and deleted, and its secret is never told",
  async ({ one, other }) => {
    const email = aSender();
    const made = await create(one, { sender_email: email.toUpperCase() });
    assert.is(made.status, 201);
    const shown = dataOf(made);
    const { id, created_at: createdAt } = shown;
    assert.equal(shown, {
      id,
      sender_email: email,
      ms_tenant_id: "tenant-1",
      ms_client_id: "app-1",
      ms_client_secret_masked: "s3cr****tion",
      is_active: true,
      client_ids: null,
      created_at: createdAt,
    });
    const read = await at(other, id.toUpperCase());
    assert.equal(dataOf(read), shown, "every container shows the same");

    const list = await one.call("/api/v1/auth/sender-configs");
    const { data, ...rest } = list.body as { data: unknown[]; total: number; success: boolean };
    assert.equal([data[0], rest], [shown, { success: true, total: data.length }]);
    const page = await one.call("/api/v1/auth/sender-configs?page=2&limit=1");
    assert.equal(page.body["data"], data.slice(1, 2));

    const change = { ms_tenant_id: "tenant-2", ms_client_secret: "short", is_active: false, client_ids: ["client_a"] };
    const changed = await at(other, id, "PUT", change);
    const { ms_client_secret: _short, ...visible } = change;
    assert.equal(dataOf(changed), { ...shown, ...visible, ms_client_secret_masked: "****" });
    assert.equal(dataOf(await at(one, id, "PUT", { client_ids: null })), {
      ...dataOf(changed),
      client_ids: null,
    });

    const deleted = await at(one, id, "DELETE");
    assert.equal([deleted.status, deleted.body], [200, { success: true, message: "Sender config 已刪除" }]);
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await at(one, id, method, method === "PUT" ? {} : undefined);
      assert.is(told(answer), "404 sender_config_not_found", method);
    }
    for (const answer of [made, read, list, changed]) assert.not(answer.text.includes(secret));
    for (const system of [one, other]) {
      const { stdout, stderr } = await system.output();
      assert.not(`${stdout}${stderr}`.includes(secret));
    }
  },
);

senders("what cannot be a config is refused, and says which part", async ({ one }) => {
  const taken = aSender();
  assert.is(told(await create(one, { sender_email: taken })), "201");
  const wrong: [body: object, outcome: string][] = [
    [{ sender_email: taken }, "409 sender_config_exists"],
    [{ sender_email: taken.toUpperCase() }, "409 sender_config_exists"],
    [{ sender_email: "someone@elsewhere.example" }, "400 invalid_sender_domain"],
    [{ sender_email: "someone@mail.corp.example" }, "400 invalid_sender_domain"],
    [{ sender_email: `Sales <${aSender()}>` }, "400 invalid_request sender_email"],
    [{ sender_email: "nobody" }, "400 invalid_request sender_email"],
    [{ sender_email: undefined }, "400 invalid_request sender_email"],
    [{ sender_email: aSender(), ms_tenant_id: "../common" }, "400 invalid_request ms_tenant_id"],
    [{ sender_email: aSender(), ms_client_id: "" }, "400 invalid_request ms_client_id"],
    [{ sender_email: aSender(), ms_client_secret: "a\u0000b" }, "400 invalid_request ms_client_secret"],
    [{ sender_email: aSender(), client_ids: "client_a" }, "400 invalid_request client_ids"],
    [{ sender_email: aSender(), client_ids: [] }, "400 invalid_request client_ids"],
    [{ sender_email: aSender(), is_active: "yes" }, "400 invalid_request is_active"],
  ];
  for (const [body, outcome] of wrong) {
    const answer = await create(one, body);
    const details = answer.body["details"] as { field: string }[] | undefined;
    assert.is([told(answer), details?.[0]?.field].join(" ").trim(), outcome, answer.text);
  }
  for (const method of ["GET", "PUT", "DELETE"]) {
    const answer = await at(one, "not-a-uuid", method, method === "PUT" ? {} : undefined);
    const details = answer.body["details"] as { field: string }[];
    assert.equal([told(answer), details[0]?.field], ["400 invalid_request", "id"]);
  }
  assert.is(told(await create(one, { sender_email: "other@corp.test" })), "201", "a second domain of the organisation");
});

senders("of many who ask for one sender at once, one gets it", async ({ one, other }) => {
  const sender_email = aSender();
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, index) => create(index % 2 ? one : other, { sender_email })),
  );
  const outcomes = answers.map(told).toSorted();
  assert.equal(outcomes, ["201", ...Array.from({ length: 15 }, () => "409 sender_config_exists")]);
});

senders("who may send as a sender follows its config in every container within a second", async ({ one, other }) => {
  const from = aSender();
  const clients = await Promise.all(
    ["A", "B"].map(async (client_name) => {
      const body = { client_name, permissions: ["mail:send"] };
      const { body: reply } = await one.call("/api/v1/auth/token", { method: "POST", body });
      return { token: String(reply["token"]), id: String(reply["client_id"]) };
    }),
  );
  const [a, b] = clients;
  assert.ok(a && b);
  /** What A and B get in either container. */
  const outcomes = async () => {
    const sent = [one, other].flatMap((system) =>
      clients.map(({ token }) => system.send({ from: from.toUpperCase() }, { token })),
    );
    return (await Promise.all(sent)).map(told);
  };
  const becomes = async (forA: string, forB: string, what: string) =>
    await eventually(async () => (await outcomes()).join() === [forA, forB, forA, forB].join(), { what, within: 1000 });
  const [missing, forbidden] = ["400 sender_not_configured", "403 sender_not_allowed"];

  await becomes(missing, missing, "nobody may without a config");
  const { id } = dataOf(await create(one, { sender_email: from }));
  await becomes("200", "200", "everybody may with one");
  await at(other, id, "PUT", { client_ids: [a.id, "client_not_yet_made"] });
  await becomes("200", forbidden, "only the listed may");
  await at(one, id, "PUT", { is_active: false });
  await becomes(missing, missing, "nobody may with an inactive one");
  await at(one, id, "PUT", { is_active: true, client_ids: null });
  await becomes("200", "200", "everybody may again");
  await at(other, id, "DELETE");
  await becomes(missing, missing, "nobody may after its end");
});

senders("an operator changes the key that seals secrets while the system runs", async ({ env, one }) => {
  const { id } = dataOf(await create(one, { sender_email: aSender() }));
  const keys = (...all: (string | undefined)[]) => ({ ...env, ENCRYPTION_KEY: all.join(",") });
  const rotate = async (variables: Variables, ...args: string[]) =>
    runFn(["secrets", "rotate", ...args], { env: variables });
  const masked = async (system: System) => dataOf(await at(system, id))["ms_client_secret_masked"];

  const lost = await rotate(keys(newKey), "--json");
  assert.is(lost.code, 1);
  const { resealed, failed } = JSON.parse(lost.stdout) as {
    resealed: number;
    failed: { id: string; reason: string }[];
  };
  assert.is(resealed, 0, "without the old key nothing opens");
  assert.match(
    failed.find((one) => one.id === id)?.reason ?? "",
    /^it was sealed with the key [\da-f]{8}, which is not/,
  );
  const told = await rotate(keys(newKey));
  assert.match(told.stderr, new RegExp(`email_sender_configs ${id} stays as it is: it was sealed with the key`));

  const between = await startSystem({ env: keys(newKey, oldKey), token: one.token });
  assert.is(await masked(between), "s3cr****tion");
  const done = await rotate(keys(newKey, oldKey));
  assert.is(done.code, 0, done.stderr);
  assert.match(done.stdout, /^Sealed \d+ secrets with the key [\da-f]{8}\.\n$/);
  const again = await rotate(keys(newKey, oldKey), "--json");
  assert.equal({ ...JSON.parse(again.stdout), key: "" }, { key: "", resealed: 0, failed: [] });

  const after = await startSystem({ env: keys(newKey), token: one.token });
  assert.is(await masked(after), "s3cr****tion", "the old key is not needed any more");
  assert.is(await masked(one), "****", "who has not got the new key shows nothing, and goes on");
  assert.is(told.stdout.includes(secret) || told.stderr.includes(secret), false);

  const database = new Client({ connectionString: env["DATABASE_URL"] });
  await database.connect();
  const { rows } = await database.query<object>("SELECT * FROM email_sender_configs");
  await database.end();
  assert.ok(rows.length > 0);
  assert.not(JSON.stringify(rows).includes(secret));
});

senders("without ENCRYPTION_KEY, containers on a shared database are warned", async ({ env }) => {
  const system = await startSystem({ env: { ...env, ENCRYPTION_KEY: "" } });
  const { stdout } = await system.output();
  assert.match(stdout, "set ENCRYPTION_KEY to share them");
  await system.stop();
});

senders.run();
