import { connect } from "amqplib";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { createClient } from "redis";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { locate, Missing } from "./install.ts";
import { eventually, emptyDatabase, freshRedis, freshVhost, temporaryFolder } from "./test.ts";
import { addVhost, startPostgres, startRabbit, startRedis, type Server } from "./services.ts";

const servers = suite("servers");
const open: Server[] = [];
const own = <T extends Server>(server: T): T => {
  open.push(server);
  return server;
};
servers.after(async () => {
  await Promise.all(open.map((server) => server.close()));
});

servers("a killed PostgreSQL comes back with what was committed, on the same address", async () => {
  const postgres = own(await startPostgres());
  await sql(postgres.url, "CREATE TABLE mail (id int)");
  await sql(postgres.url, "INSERT INTO mail VALUES (42)");
  await postgres.kill();
  await rejects(sql(postgres.url, "SELECT 1"), /ECONNREFUSED/);
  await postgres.start();
  assert.equal(await sql(postgres.url, "SELECT id FROM mail"), [{ id: 42 }]);
  assert.match(await readFile(postgres.log, "utf8"), /was not properly shut down/);
});

servers("commits are real unless a test does without", async () => {
  const [real, quick] = await Promise.all([startPostgres(), startPostgres({ durable: false })]);
  own(real);
  own(quick);
  assert.equal(await sql(real.url, "SHOW fsync"), [{ fsync: "on" }]);
  assert.equal(await sql(real.url, "SHOW synchronous_commit"), [{ synchronous_commit: "on" }]);
  assert.equal(await sql(quick.url, "SHOW fsync"), [{ fsync: "off" }]);
});

servers("a server that cannot start says why", async () => {
  await rejects(startPostgres({ settings: { max_connections: 0 } }), /did not start.*max_connections/s);
});

servers("Redis stops, is killed, and starts with what it had", async () => {
  const redis = own(await startRedis());
  const key = async (value?: string): Promise<unknown> => {
    const client = await createClient({ url: redis.url }).connect();
    try {
      return value === undefined ? await client.get("key") : await client.set("key", value);
    } finally {
      client.destroy();
    }
  };
  await key("before the stop");
  await redis.stop();
  await redis.start();
  assert.is(await key(), "before the stop");
  await key("before the kill");
  await redis.kill();
  await redis.start();
  assert.is(await key(), "before the kill");
});

servers("RabbitMQ stops, is killed, starts with its durable messages, and leaves no process behind", async () => {
  const rabbit = own(await startRabbit());
  await addVhost(rabbit.controlPort, "mine");
  const url = `${rabbit.url}/mine`;
  const send = (text: string): Promise<void> =>
    withChannel(url, async (channel) => {
      await channel.assertQueue("mail", { durable: true, arguments: { "x-queue-type": "quorum" } });
      channel.sendToQueue("mail", Buffer.from(text), { persistent: true });
      await channel.waitForConfirms();
    });
  const receive = (): Promise<string> =>
    withChannel(url, async (channel) => {
      const message = await channel.get("mail", { noAck: true });
      return message === false ? "" : message.content.toString();
    });

  await send("before the stop");
  await rabbit.stop();
  await rejects(connect(url), /ECONNREFUSED/);
  assert.equal(await processesOf(rabbit), []);
  await rabbit.start();

  await send("before the kill");
  await rabbit.kill();
  assert.equal(await processesOf(rabbit), []);
  await rabbit.start();

  assert.is(await eventually(receive, { what: "the first message" }), "before the stop");
  assert.is(await eventually(receive, { what: "the second message" }), "before the kill");
});

servers("when the process that asked dies by kill -9, its servers and folders go with it", async () => {
  if (locate("Redis") === undefined) throw new Missing("Redis");
  const script = `
    import { startRedis } from "${join(import.meta.dirname, "services.ts")}";
    const { port, log } = await startRedis();
    console.log(JSON.stringify({ port, log }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  const { port, log } = JSON.parse(String(line));
  assert.ok(existsSync(log));
  child.kill("SIGKILL");
  await eventually(() => !existsSync(log), { what: "its folder is gone" });
  await rejects(
    createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } })
      .on("error", () => undefined)
      .connect(),
  );
});

const fresh = suite("fresh things");

fresh("two databases know nothing of each other", async () => {
  const [one, other] = await Promise.all([emptyDatabase(), emptyDatabase()]);
  assert.is.not(one, other);
  await sql(one, "CREATE TABLE only_here (id int)");
  assert.equal(await sql(other, "SELECT to_regclass('only_here') AS found"), [{ found: null }]);
});

fresh("two virtual hosts know nothing of each other", async () => {
  const [one, other] = await Promise.all([freshVhost(), freshVhost()]);
  await withChannel(one, (channel) => channel.assertQueue("only-here"));
  await rejects(
    withChannel(other, async (channel) => {
      channel.on("error", () => undefined);
      await channel.checkQueue("only-here");
    }),
    /NOT_FOUND/,
  );
});

fresh("two Redis databases know nothing of each other", async () => {
  const [one, other] = await Promise.all(
    (await Promise.all([freshRedis(), freshRedis()])).map((url) => createClient({ url }).connect()),
  );
  assert.ok(one && other);
  await one.set("only here", "1");
  assert.is(await other.get("only here"), null);
  one.destroy();
  other.destroy();
});

fresh("a temporary folder is gone with its process", async () => {
  const script = `
    import { temporaryFolder } from "${join(import.meta.dirname, "test.ts")}";
    console.log(await temporaryFolder());`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  await eventually(() => !existsSync(stdout.trim()), { what: "the folder is gone" });
  const mine = await temporaryFolder();
  await writeFile(join(mine, "note"), "still here");
  assert.ok((await stat(mine)).isDirectory());
});

const waiting = suite("eventually");

waiting("hands over what it waited for", async () => {
  let asked = 0;
  assert.is(await eventually(() => ++asked === 3 && "third", { what: "the third time" }), "third");
});

waiting("fails with its reason: the last value, the last error, or no answer", async () => {
  const at = { what: "the mail is sent", within: 60 };
  await rejects(
    eventually(() => 0, at),
    /the mail is sent: not within 60 ms; last value 0/,
  );
  await rejects(
    eventually(() => Promise.reject(new Error("still queued")), at),
    /last error still queued/,
  );
  await rejects(
    eventually(() => new Promise(() => undefined), at),
    /no answer yet/,
  );
});

servers.run();
fresh.run();
waiting.run();

async function sql(connectionString: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString });
  try {
    await client.connect();
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

type Channel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>["createConfirmChannel"]>>;

async function withChannel<T>(url: string, use: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(url);
  connection.on("error", () => undefined); // the server is ended under it
  try {
    return await use(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

/** Processes that have the server's folder in their command line or environment. */
async function processesOf(server: Server): Promise<string[]> {
  const folder = join(server.log, "..");
  const { stdout } = await promisify(execFile)("sh", ["-c", `grep -lsaF "$0" /proc/[0-9]*/environ || true`, folder]);
  return stdout.split("\n").filter(Boolean);
}

async function rejects(promise: Promise<unknown>, reason = /./): Promise<void> {
  const error = await promise.then(
    () => assert.unreachable("it should have failed"),
    (caught: unknown) => caught,
  );
  assert.match(error instanceof AggregateError ? String(error.errors) : String(error), reason);
}
