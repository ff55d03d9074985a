/** kill -9 while relays hand over mail: every one that had its 250 is in the database. What is there is sent: crash.test.ts. */
import { execFile } from "node:child_process";
import { createServer, connect } from "node:net";
import { once } from "node:events";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { locate, Missing } from "../harness/install.ts";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("SMTP crashes");
story.after(stopAll);

const mails = 2000;
const kills = 5;

story("five times kill -9 in the middle of 2,000 mails lose none that had its 250", async () => {
  const program = locate("smtp-source");
  if (program === undefined) throw new Missing("smtp-source");
  const [DATABASE_URL, RABBITMQ_URL] = [await freshDatabase(), await freshVhost()];
  const env = { DATABASE_URL, RABBITMQ_URL, LOG_LEVEL: "warn", FUNCTIONS: "health,mail/receive" };
  const system = await startSystem({ smtp: true, env });
  const witness = await startWitness(system);
  const inTheMiddle: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const before = witness.acknowledged.size;
    const source = send(program, witness.port);
    await eventually(() => witness.acknowledged.size > before + 100 + 200 * kill, {
      what: "mails are taken",
      within: 30_000,
    });
    await system.kill();
    await source;
    inTheMiddle.push(witness.acknowledged.size - before);
    await system.start();
  }
  assert.ok(
    inTheMiddle.every((count) => count > 100 && count < mails),
    `not in the middle: ${inTheMiddle.join()}`,
  );

  const db = new Client({ connectionString: DATABASE_URL });
  await db.connect();
  const { rows } = await db.query<{ id: string }>("SELECT id FROM mails WHERE source = 'smtp'");
  const stored = new Set(rows.map(({ id }) => id));
  assert.equal(
    [...witness.acknowledged].filter((id) => !stored.has(id)),
    [],
  );
  await db.end();
  await witness.close();
});

/** smtp-source stops with a fault when its connections are cut, as they will be. */
async function send(program: string, port: number): Promise<void> {
  const args = ["-s", "20", "-m", `${mails}`, "-l", "4000", "-d", "-f", "ann@shop.example", "-t", "bob@example.org"];
  await new Promise<void>((resolve) => execFile(program, [...args, `127.0.0.1:${port}`], () => resolve()));
}

/** Stands between relays and the system, and remembers every mail whose 250 has come by. */
async function startWitness(system: System) {
  const acknowledged = new Set<string>();
  const server = createServer((client) => {
    const upstream = connect(system.smtp.port, "127.0.0.1");
    let line = "";
    upstream.on("data", (chunk) => {
      line += chunk.toString("latin1");
      for (const [, id = ""] of line.matchAll(/^250 2\.6\.0 Ok: queued as ([\da-f-]{36})\r\n/gm)) acknowledged.add(id);
      line = line.slice(line.lastIndexOf("\n") + 1);
      client.write(chunk);
    });
    client.pipe(upstream);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("error", () => undefined).once("close", () => other.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    acknowledged: acknowledged as ReadonlySet<string>,
    port: typeof address === "object" && address ? address.port : 0,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

story.run();
