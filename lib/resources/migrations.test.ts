import { spawn } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Client } from "pg";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { emptyDatabase, temporaryFolder } from "../../ops/harness/test.ts";
import { migrate, pendingMigrations } from "./migrations.ts";

const test = suite<{ url: string; folder: string }>("migrations");
const log = pino({ level: "silent" });

const first = "-- Up Migration\nCREATE TABLE mails (id int);\n-- Down Migration\nDROP TABLE mails;\n";
const second = "-- Up Migration\nALTER TABLE mails ADD subject text;\nINSERT INTO mails VALUES (1, 'x; y');\n";

test.before.each(async (context) => {
  context.url = await emptyDatabase();
  context.folder = await temporaryFolder();
  await writeFile(join(context.folder, "0001_mails.sql"), first);
  await writeFile(join(context.folder, "0002_subject.sql"), second);
  await writeFile(join(context.folder, "README.md"), "not a migration");
});

async function rows(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error("expected an error");
  return error.message;
}

test("runs what is pending, in order, once", async ({ url, folder }) => {
  assert.equal(await pendingMigrations({ url, folder }), ["0001_mails", "0002_subject"]);
  assert.equal(await migrate({ url, folder, log }), { applied: ["0001_mails", "0002_subject"] });
  assert.equal(await migrate({ url, folder, log }), { applied: [] });
  assert.equal(await pendingMigrations({ url, folder }), []);
  assert.equal(await rows(url, "SELECT * FROM mails"), [{ id: 1, subject: "x; y" }]);

  await writeFile(join(folder, "0003_more.sql"), "-- Up Migration\nCREATE TABLE more ();\n");
  assert.equal(await migrate({ url, folder, log }), { applied: ["0003_more"] });
});

test("of twenty processes that start at once one migrates, and all go on", async ({ url, folder }) => {
  const program = `
    import { migrate } from ${JSON.stringify(import.meta.resolve("./migrations.ts"))};
    import pino from ${JSON.stringify(import.meta.resolve("pino"))};
    const { applied } = await migrate({ url: ${JSON.stringify(url)}, folder: ${JSON.stringify(folder)}, log: pino({ level: "silent" }) });
    console.log(applied.join());`;
  const said = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = new Promise((resolve) => child.once("close", resolve));
      const output = await text(child.stdout);
      return { code: await ended, applied: output.trim() };
    }),
  );
  assert.ok(said.every(({ code }) => code === 0));
  assert.equal(said.map(({ applied }) => applied).filter(Boolean), ["0001_mails,0002_subject"]);
  assert.equal(await rows(url, "SELECT count(*)::int FROM mails"), [{ count: 1 }]);
});

test("a migration that fails is rolled back as a whole; those before it stay", async ({ url, folder }) => {
  const bad = "-- Up Migration\nCREATE TABLE half ();\nSELECT 1/0;\n";
  await writeFile(join(folder, "0003_bad.sql"), bad);
  assert.is(
    await refusal(migrate({ url, folder, log })),
    "Migration 0003_bad failed and was rolled back: division by zero",
  );
  assert.equal(await pendingMigrations({ url, folder }), ["0003_bad"]);
  assert.equal(await rows(url, "SELECT to_regclass('half') AS half, count(*)::int FROM mails"), [
    { half: null, count: 1 },
  ]);

  await writeFile(join(folder, "0003_bad.sql"), "-- Up Migration\nCREATE TABLE half ();\n");
  assert.equal(await migrate({ url, folder, log }), { applied: ["0003_bad"] });
});

test("refuses a database that is newer than the code", async ({ url, folder }) => {
  await migrate({ url, folder, log });
  await rm(join(folder, "0002_subject.sql"));
  const sentence =
    "The database is newer than this code: it has migration 0002_subject, which this version does not know. " +
    "Start the newer version, or restore the matching database.";
  assert.is(await refusal(migrate({ url, folder, log })), sentence);
  assert.is(await refusal(pendingMigrations({ url, folder })), sentence);
});

test("a file that is misnamed, or takes a number twice, is named", async ({ url, folder }) => {
  await writeFile(join(folder, "0002_other.sql"), second);
  assert.match(await refusal(migrate({ url, folder, log })), "has two migrations 0002");
  await rm(join(folder, "0002_other.sql"));
  await writeFile(join(folder, "late fix.sql"), second);
  assert.match(
    await refusal(migrate({ url, folder, log })),
    "late fix.sql: a migration is named like 0001_what_it_does.sql",
  );
});

test("its lines go to the log, and nothing to stdout", async ({ url, folder }) => {
  const lines: string[] = [];
  const { write } = process.stdout;
  const printed: unknown[] = [];
  process.stdout.write = (chunk: unknown) => printed.push(chunk) > 0;
  try {
    await migrate({ url, folder, log: pino({ level: "debug" }, { write: (line) => void lines.push(line) }) });
  } finally {
    process.stdout.write = write;
  }
  assert.equal(printed, []);
  assert.match(lines.join(""), "0002_subject");
});

test.run();
