/** What an operator sees of a running system: `fn top`. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshDatabase, freshRedis, freshVhost } from "../harness/test.ts";
import { runFn } from "./fn.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("watching the system");
let system: System;

story.before(async () => {
  const servers = {
    DATABASE_URL: await freshDatabase(),
    RABBITMQ_URL: await freshVhost(),
    KEYDB_URL: await freshRedis(),
  };
  system = await startSystem({ env: { ...servers, MAIL_SENDER: "sandbox" } });
});
story.after(stopAll);

interface Top {
  functions: { function: string; calls: number; version: string }[];
  queues: { queue: string; ready: number }[];
  providers: { provider: string }[];
  processes: { process: string; state: string; memory: number; remark: string }[];
}

story("a look from a script shows functions, queues, providers and processes", async () => {
  await system.settled(await system.accept());
  const { code, stdout } = await runFn(["top", "--json", system.url]);
  assert.is(code, 0);
  const seen = JSON.parse(stdout) as Top;
  assert.match(seen.functions.find((one) => one.function === "mail/send")?.version ?? "", /^[\da-f]{12}$/);
  const queues = seen.queues.map(({ queue }) => queue);
  for (const name of ["failed-mails", "mail-queue"]) assert.ok(queues.includes(name), queues.join());
  assert.equal(
    seen.providers.map(({ provider }) => provider),
    ["sandbox"],
  );
  assert.equal(
    seen.processes.map(({ process, state }) => [process, state]),
    [[`127.0.0.1:${system.port}`, "ready"]],
  );
  assert.ok((seen.processes[0]?.memory ?? 0) > 50 * 2 ** 20);
});

story("where nobody watches it looks once, by default at the port of the configuration", async () => {
  const { code, stdout } = await runFn(["top"], { env: { API_PORT: String(system.port) } });
  assert.is(code, 0);
  assert.match(stdout, /^mail\/send /m);
  assert.not.match(stdout, "\u001b[?1049h");
});

story("an address that is away is told in words, and by the exit code", async () => {
  const alone = await runFn(["top", "--once", "http://127.0.0.1:9"]);
  assert.is(alone.code, 1);
  assert.match(alone.stderr, "http://127.0.0.1:9/metrics: ");
  assert.not.match(alone.stderr, "    at ");
  const beside = await runFn(["top", "--once", system.url, "http://127.0.0.1:65000"]);
  assert.is(beside.code, 1);
  assert.match(beside.stdout, /127\.0\.0\.1:65000\s+away.*nothing listens there/);
});

story.run();
