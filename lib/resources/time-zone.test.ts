import { pino } from "pino";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { emptyDatabase } from "../../ops/harness/test.ts";
import { openDatabase } from "./database.ts";
import { setTimeZone } from "./time-zone.ts";

const test = suite("time zone of the database");

/** What a new session reads a time without an offset as. */
async function readBySession(url: string): Promise<Date | undefined> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<{ at: Date }>("SELECT '2025-10-07 11:00:00'::timestamptz AS at")).rows[0]?.at;
  } finally {
    await client.end();
  }
}

async function openAt(url: string) {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const db = await openDatabase({ url, poolSize: 3, log, applicationName: "test" });
  return { db, lines, set: (timeZone: string) => setTimeZone(db, timeZone, log) };
}

test("a time that is written without an offset is meant in it, also after it has changed", async () => {
  const url = await emptyDatabase();
  const { db, set } = await openAt(url);
  try {
    await set("Asia/Taipei");
    assert.equal(await readBySession(url), new Date("2025-10-07T03:00:00Z"));
    await set("Europe/Berlin");
    assert.equal(await readBySession(url), new Date("2025-10-07T09:00:00Z"));
  } finally {
    await db.close();
  }
});

test("many processes may start at once", async () => {
  const { db, lines, set } = await openAt(await emptyDatabase());
  try {
    await Promise.all(Array.from({ length: 10 }, () => set("Asia/Taipei")));
    assert.is(lines.length, 1, "one did it");
  } finally {
    await db.close();
  }
});

test("who may not set it is told what to do", async () => {
  const url = await emptyDatabase();
  const owner = await openAt(url);
  const name = `guest_${process.pid}`;
  await owner.db.query(`CREATE ROLE ${name} LOGIN PASSWORD 'guest'`);
  const guestUrl = new URL(url);
  guestUrl.username = name;
  guestUrl.password = "guest";
  const guest = await openAt(guestUrl.href);
  try {
    await guest.set("Asia/Taipei");
    assert.match(guest.lines.join(), /ALTER DATABASE … SET TimeZone/);
  } finally {
    await guest.db.close();
    await owner.db.query(`DROP ROLE ${name}`);
    await owner.db.close();
  }
});

test.run();
