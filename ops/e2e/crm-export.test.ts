/** Reports are asked for, written by whoever is alive, and fetched by a link that ends. */
import { randomBytes } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { Type, type Static } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { linkTo } from "../../lib/crm/analytics/exports/link.ts";
import { openSecrets } from "../../lib/resources/secrets.ts";
import { eventually, freshVhost, temporaryFolder } from "../harness/test.ts";
import { dataOf, Exactly, problemOf, startCrm, type Crm } from "./crm.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("export");

/** One answers, the other one writes. */
let crm: Crm;
let worker: System;
let folder: string;
const encryptionKey = randomBytes(32);

story.before(async () => {
  const uploads = await temporaryFolder();
  folder = join(uploads, "exports", "reports");
  const env = {
    RABBITMQ_URL: await freshVhost(),
    UPLOAD_DIR: uploads,
    ENCRYPTION_KEY: encryptionKey.toString("base64"),
    PUBLIC_URL: "https://crm.hotel.example",
  };
  crm = await startCrm({ env: { ...env, FUNCTIONS: "health,crm/analytics/!(write-report)" } });
  const { API_PORT: _, ...shared } = crm.env;
  worker = await startSystem({ env: { ...shared, FUNCTIONS: "health,crm/analytics/write-report" }, token: "none" });
  await crm.database.query(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', 'Hello') RETURNING id)
     INSERT INTO campaigns (title, template_id, target_audience, status, sent_at, sent_count, opened_count, clicked_count)
     SELECT '中秋送禮 ' || n, template.id, '{"type": "all"}', 'sent', '2025-09-01T04:00:00Z'::timestamptz + n * interval '1 minute',
            100, 80, 40
     FROM template, generate_series(1, 3000) AS n`,
  );
  await crm.database.query("INSERT INTO crm_days (day, sent, opened) VALUES ('2025-09-01', 120, 85)");
});
story.after(async () => {
  await stopAll();
  await crm.close();
});

const Time = Type.String({ format: "date-time" });
const Asked = Exactly({
  report_id: Type.String({ format: "uuid" }),
  status: Type.String(),
  download_url: Type.String({ pattern: String.raw`^https://crm\.hotel\.example/.+\.(xlsx|pdf)$` }),
  expires_at: Time,
});
const Told = Exactly({
  report_id: Type.String({ format: "uuid" }),
  report_type: Type.String(),
  format: Type.String(),
  start_date: Type.String({ format: "date" }),
  end_date: Type.String({ format: "date" }),
  status: Type.String(),
  progress: Type.Integer({ minimum: 0, maximum: 100 }),
  download_url: Type.Union([Type.String(), Type.Null()]),
  expires_at: Type.Union([Time, Type.Null()]),
  error_message: Type.Union([Type.String(), Type.Null()]),
  created_at: Time,
});
type Told = Static<typeof Told>;

const september = { start_date: "2025-09-01", end_date: "2025-10-01" };

const ask = async (body: object, headers: Record<string, string> = {}) =>
  dataOf(await crm.post("/analytics/export", { ...september, ...body }, { headers }), Asked);

const read = async (id: string): Promise<Told> => dataOf(await crm.get(`/analytics/exports/${id}`), Told);

async function until(id: string, what: string, isSo: (told: Told) => boolean): Promise<Told> {
  const check = async () => {
    const told = await read(id);
    return isSo(told) && told;
  };
  const told = await eventually(check, { what: `the report is ${what}`, within: 100_000 });
  return told || read(id);
}

/** Fetches what is behind a link of `PUBLIC_URL`, without a token. */
async function fetchLink(link: string): Promise<{ response: Response; bytes: Buffer }> {
  const { pathname } = new URL(link);
  const response = await fetch(crm.system.url + pathname);
  return { response, bytes: Buffer.from(await response.arrayBuffer()) };
}

/** Holds whoever reads the triggers of tags, until released. */
async function holdTags(): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: crm.env["DATABASE_URL"] });
  await client.connect();
  await client.query("BEGIN");
  await client.query("LOCK TABLE tag_trigger_logs IN ACCESS EXCLUSIVE MODE");
  return () => client.end();
}

story("a report is asked for, waited for and fetched, as a workbook and as PDF", async () => {
  const types = { excel: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", pdf: "application/pdf" };
  for (const format of ["excel", "pdf"] as const) {
    const body = { report_type: "overview", format, start_date: "2025-09-01", end_date: "2025-09-01" };
    const begun = Date.now();
    const asked = await ask(body, { prefer: "wait=30" });
    const told = await until(asked.report_id, "completed", ({ status }) => status === "completed");
    assert.equal([told.progress, told.error_message], [100, null]);
    assert.ok(Date.parse(asked.expires_at) >= begun - 1000 + 60 * 60 * 1000, "it holds for an hour");
    for (const link of [asked.download_url, told.download_url ?? ""]) {
      const { response, bytes } = await fetchLink(link);
      assert.is(response.status, 200);
      assert.is(response.headers.get("content-type"), types[format]);
      const name = encodeURIComponent("總覽報表 2025-09-01 2025-09-01");
      assert.match(response.headers.get("content-disposition") ?? "", `attachment; filename=`);
      assert.match(response.headers.get("content-disposition") ?? "", `${name}.${format === "pdf" ? "pdf" : "xlsx"}`);
      assert.match(bytes.toString("latin1", 0, 5), format === "pdf" ? "%PDF-" : "PK\u0003\u0004");
      assert.is(bytes.length, Number(response.headers.get("content-length")));
    }
  }
});

story("each report can be had, and says what it is asked of", async () => {
  for (const report_type of ["campaign_performance", "trends", "tag_distribution"]) {
    const { report_id } = await ask({ report_type, format: "excel" });
    const told = await until(report_id, "completed", ({ status }) => status === "completed");
    assert.equal([told.report_type, told.start_date, told.end_date], [report_type, "2025-09-01", "2025-10-01"]);
    assert.is((await fetchLink(told.download_url ?? "")).response.status, 200);
  }
});

story("a link says plainly that the report is not there yet", async () => {
  const release = await holdTags();
  const asked = await (async () => {
    try {
      const held = await ask({ report_type: "tag_distribution", format: "excel" }, { prefer: "wait=1" });
      assert.ok(["pending", "running"].includes(held.status), held.status);
      const { response, bytes } = await fetchLink(held.download_url);
      assert.is(response.status, 404);
      assert.match(bytes.toString(), "not ready yet");
      assert.is((await read(held.report_id)).download_url, null);
      return held;
    } finally {
      await release();
    }
  })();
  await until(asked.report_id, "completed", ({ status }) => status === "completed");
  assert.is((await fetchLink(asked.download_url)).response.status, 200);
});

story("a report that loses its worker while it is written is written by another one", async () => {
  const before = new Set(await readdir(folder));
  const asked = await ask({ report_type: "campaign_performance", format: "pdf" });
  const partial = async () => {
    for (const name of await readdir(folder)) {
      if (!before.has(name) && (await stat(join(folder, name))).size > 0) return name;
    }
    return undefined;
  };
  const name = await eventually(partial, { what: "it is being written", within: 100_000 });
  await worker.kill();
  assert.match(name ?? "", /^\./, "it has no name of its own while it is not whole");
  assert.is((await read(asked.report_id)).status, "running");
  assert.is((await fetchLink(asked.download_url)).response.status, 404);
  await worker.start();
  // Nobody waits half a minute in a test.
  await crm.database.query(
    "UPDATE report_exports SET lease_until = now() - interval '1 second' WHERE status = 'running'",
  );
  const told = await until(asked.report_id, "completed", ({ status }) => status === "completed");
  assert.is(told.progress, 100);
  const { response, bytes } = await fetchLink(asked.download_url);
  assert.is(response.status, 200);
  assert.match(bytes.toString("latin1", bytes.length - 16), "%%EOF");
});

story("a link ends after its time, and only those that were signed here lead to a report", async () => {
  const asked = await ask({ report_type: "trends", format: "pdf" });
  await until(asked.report_id, "completed", ({ status }) => status === "completed");
  const secrets = await openSecrets({ keys: [encryptionKey], file: join(folder, "none") });
  const signedAgo = (ms: number) => {
    const clock = { now: () => new Date(Date.now() - ms), uuid: () => "" };
    const config = { publicUrl: "https://crm.hotel.example" } as Parameters<typeof linkTo>[0]["config"];
    return linkTo({ secrets, config, clock }, { id: asked.report_id, format: "pdf" }).url;
  };
  assert.is((await fetchLink(signedAgo(0))).response.status, 200);
  const { response, bytes } = await fetchLink(signedAgo(60 * 60 * 1000 + 2000));
  assert.is(response.status, 410);
  assert.match(bytes.toString(), "This link has ended");
  const link = signedAgo(60 * 60 * 1000 + 2000);
  const later = link.replace(/~\d+~/, `~${Math.floor(Date.now() / 1000) + 600}~`);
  for (const forged of [
    later,
    link.replace(/~[\w-]+\.pdf/, "~.pdf"),
    `${link}x`,
    link.replace(/[^/]+$/, "..%2f..%2fetc"),
  ]) {
    assert.is((await fetchLink(forged)).response.status, 404, forged);
  }
  await crm.database.query("DELETE FROM report_exports WHERE id = $1", [asked.report_id]);
  assert.is((await fetchLink(asked.download_url)).response.status, 410, "the report is gone");
  problemOf(await crm.get(`/analytics/exports/${asked.report_id}`), 404);
  problemOf(await crm.get("/analytics/exports/none"), 404);
});

story("what is wrong with the request is said, and reports are marketing's", async () => {
  const cases: [body: object, ...fields: string[]][] = [
    [{ report_type: "sales", format: "pdf" }, "report_type"],
    [{ report_type: "trends", format: "csv" }, "format"],
    [{ report_type: "trends", format: "pdf", start_date: "2025-10-02", end_date: "2025-10-01" }, "end_date"],
    [{ report_type: "trends", format: "pdf", start_date: "2024-01-01", end_date: "2025-10-01" }, "end_date"],
  ];
  for (const [body, field] of cases) {
    const { errors } = problemOf(await crm.post("/analytics/export", body), 400);
    assert.ok(
      errors.some((error) => error.field === field),
      JSON.stringify(errors),
    );
  }
  const { token } = await crm.person("customer_service");
  problemOf(await crm.post("/analytics/export", { report_type: "trends", format: "pdf" }, { token }), 403);
});

story("no link is in a log", async () => {
  const { stdout, stderr } = await crm.system.output();
  assert.not.match(stdout + stderr, /~\d{10}~/);
});

story.run();
