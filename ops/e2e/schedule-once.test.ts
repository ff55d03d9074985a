/** Many callers run what is due, in two containers, one of which is killed: every job's mail is sent, and sent once. */
import { randomBytes, randomUUID } from "node:crypto";
import { once as event } from "node:events";
import { buffer } from "node:stream/consumers";
import { Pool } from "pg";
import { SMTPServer } from "smtp-server";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import type { Variables } from "./fn.ts";
import { runsOf, scheduler } from "./schedule.fixture.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const once = suite("scheduled mail is sent once");
const jobCount = 5000;
const callersOfEach = 10;
/** Mails that a container delivers at once: most that a kill can leave in doubt. */
const workers = 10;

let relay: Relay;
let env: Variables;
let database: Pool;
let stays: System;
let again: System;

once.before(async () => {
  relay = await startRelay();
  const [url, rabbit] = await Promise.all([freshDatabase(), freshVhost()]);
  env = {
    DATABASE_URL: url,
    RABBITMQ_URL: rabbit,
    JWT_SECRET: randomUUID(),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(relay.port),
    SMTP_SECURE: "none",
    WORKER_CONCURRENCY: String(workers),
    LOG_LEVEL: "warn",
  };
  database = new Pool({ connectionString: url, max: 5 });
  stays = await container("stays");
});
once.after(async () => {
  await stopAll();
  await Promise.all([database.end(), relay.close()]);
});

interface Relay {
  readonly port: number;
  /** Every message that came to its end, whatever its sender learned of that. */
  readonly messages: readonly { from: string; raw: Buffer }[];
  /** Messages of the container that will be killed which are taken, and not yet answered. */
  readonly unanswered: number;
  close(): Promise<void>;
}

/** Answers at once, except the container that will be killed: that is always in the middle of something. */
async function startRelay(): Promise<Relay> {
  const messages: { from: string; raw: Buffer }[] = [];
  let unanswered = 0;
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS", "AUTH"],
    disableReverseLookup: true,
    onData(stream, { envelope: { mailFrom } }, done) {
      const from = mailFrom ? mailFrom.address : "";
      const take = (raw: Buffer) => {
        messages.push({ from, raw });
        if (!from.startsWith("killed@")) return done();
        unanswered++;
        setTimeout(() => {
          unanswered--;
          done();
        }, 100);
      };
      buffer(stream).then(take, () => {}); // Half a message is none.
    },
  });
  server.on("error", () => {});
  server.listen(0, "127.0.0.1");
  await event(server.server, "listening");
  const address = server.server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    messages,
    get unanswered() {
      return unanswered;
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

async function number(sql: string): Promise<number> {
  const { rows } = await database.query<{ count: string }>(sql);
  return Number(rows[0]?.count);
}

/** A container whose mail the relay knows by its envelope. */
function container(name: string, { token }: { token?: string } = {}, more: Variables = {}): Promise<System> {
  const own = { ...env, SMTP_FROM: `${name}@demomailtrap.co`, ...more };
  return startSystem({ env: own, within: 60_000, ...(token !== undefined && { token }) });
}

interface Callers {
  /** Ids of the jobs in all replies. */
  claimed: readonly number[];
  otherAnswers: readonly string[];
  /** Resolves once nothing is due any more. */
  done: Promise<unknown>;
}

/** Clients that run what is due as long as anything is. One whose container does not answer asks it again. */
function callTogether(systems: readonly System[]): Callers {
  const claimed: number[] = [];
  const otherAnswers: string[] = [];
  const due = "SELECT count(*) FROM tblschedulemail WHERE executionstatus = 'Pending' AND nextexecutetime <= now()";
  async function caller(system: System): Promise<void> {
    while ((await number(due)) > 0) {
      const answer = await scheduler(system)
        .triggerDue("?limit=50")
        .catch(() => undefined);
      if (answer?.status === 200) claimed.push(...runsOf(answer).map(({ id }) => id));
      else if (answer) otherAnswers.push(`${answer.status} ${answer.text}`);
    }
  }
  const callers = systems.flatMap((system) => Array.from({ length: callersOfEach }, () => caller(system)));
  return { claimed, otherAnswers, done: Promise.all(callers) };
}

once("20 callers, 5,000 jobs, two containers, and kill -9 for one of them in the middle", async () => {
  const killed = await container("killed", stays);
  await database.query(
    `INSERT INTO tblschedulemail (progcode, sender, recipients, subject, body, nextexecutetime)
     SELECT 'ONCE', 'hello@demomailtrap.co', 'guest' || n || '@example.org', 'Job ' || n || '.', '<p>Hello</p>', '2025-10-07'
     FROM generate_series(1, $1) AS n`,
    [jobCount],
  );

  const callers = callTogether([stays, killed]);
  const bothAreBusy = () => relay.messages.length >= 300 && relay.unanswered >= workers / 2;
  await eventually(bothAreBusy, { what: "both deliver", within: 30_000 });
  await killed.kill();
  assert.ok(relay.messages.length < jobCount / 2, "it was killed in the middle");
  const { port, dataDir } = killed;
  again = await container("again", stays, { API_PORT: String(port), DATA_DIR: dataDir });
  await callers.done;
  assert.equal(callers.otherAnswers, []);
  assert.is(new Set(callers.claimed).size, callers.claimed.length, "no job is in two replies");

  // What the killed one had committed but not published waits for the sweep, for half a minute. What it was delivering
  // waits for its lease: a minute passes, as far as these know. No attempt of the others takes ten seconds.
  const open = "SELECT count(*) FROM mails WHERE status = 'queued' OR lease_until > now() + interval '50 seconds'";
  await eventually(async () => (await number(open)) === 0, { what: "the others have sent the rest", within: 60_000 });
  await database.query("UPDATE mails SET lease_until = now() WHERE status = 'processing'");
  const success = "SELECT count(*) FROM tblschedulemail WHERE executionstatus = 'Success'";
  await eventually(async () => (await number(success)) === jobCount, { what: "all are done", within: 30_000 });

  const { rows } = await database.query<{ id: string; subject: string; status: string; unknown: string }>(
    `SELECT id, subject, status,
       (SELECT count(*) FROM mail_events WHERE mail_id = mails.id AND type = 'outcome_unknown') AS unknown
     FROM mails WHERE source = 'schedule'`,
  );
  assert.is(rows.length, jobCount, "each job has one mail");
  assert.is(new Set(rows.map(({ subject }) => subject)).size, jobCount);
  assert.is(await number("SELECT count(DISTINCT mailid) FROM tblschedulemail"), jobCount);

  const copies = copiesByMail(relay);
  let copiesInDoubt = 0;
  let inDoubt = 0;
  for (const { id, subject, status, unknown } of rows) {
    const senders = copies.get(`${id} ${subject}`) ?? [];
    const byKilled = senders.filter((name) => name === "killed").length;
    assert.is(status, "sent", id);
    if (unknown === "0") {
      assert.is(senders.length, 1, `${subject} came from ${senders.join()}`);
      continue;
    }
    // The killed one had it, and may have handed it over; another one has then sent it again.
    inDoubt++;
    copiesInDoubt += byKilled;
    assert.equal([unknown, senders.length - byKilled], ["1", 1], `${subject} came from ${senders.join()}`);
    assert.ok(byKilled <= 1, `${subject} came from ${senders.join()}`);
  }
  assert.ok(inDoubt > 0 && inDoubt <= workers, `${inDoubt} were in doubt`);
  assert.ok(copiesInDoubt > 0, "of what it held, the relay had some already");
  assert.is(relay.messages.length, jobCount + copiesInDoubt, "nothing else has arrived");
});

once("repeating jobs that they run at once run once, too, and go on", async () => {
  const before = relay.messages.length;
  await database.query(
    `INSERT INTO tblschedulemail (progcode, sender, recipients, subject, body, nextexecutetime, cronexpr)
     SELECT 'YEARLY', 'hello@demomailtrap.co', 'guest@example.org', 'Year ' || n || '.', 'Hello', '2020-01-01', '@yearly'
     FROM generate_series(1, 200) AS n`,
  );
  const callers = callTogether([stays, again]);
  await callers.done;
  assert.equal([callers.otherAnswers, callers.claimed.length], [[], new Set(callers.claimed).size]);
  const goesOn = "executionstatus = 'Pending' AND nextexecutetime > now() AND lasterror IS NULL";
  const count = `SELECT count(*) FROM tblschedulemail WHERE progcode = 'YEARLY' AND ${goesOn}`;
  await eventually(async () => (await number(count)) === 200, { what: "all wait for their next time", within: 15_000 });
  assert.is(await number("SELECT count(*) FROM mails WHERE subject LIKE 'Year %'"), 200);
  assert.is(relay.messages.length - before, 200);
});

/** Who has sent a mail, for each copy that the relay got: the names of containers by mail and subject. */
function copiesByMail({ messages }: Relay): Map<string, string[]> {
  const copies = new Map<string, string[]>();
  for (const { raw, from } of messages) {
    const text = raw.toString("latin1");
    const [, id = "none"] = /^Message-ID: <([^@>]+)@/im.exec(text) ?? [];
    const [, subject = "none"] = /^Subject: (.*)\r$/m.exec(text) ?? [];
    const key = `${id} ${subject}`;
    copies.set(key, [...(copies.get(key) ?? []), from.slice(0, from.indexOf("@"))]);
  }
  return copies;
}

once.run();
