/** A wrong environment and wrong function files: everything that is wrong is told at once, and nothing is served. */
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../harness/server.ts";
import { copyProject, runFn } from "./fn.ts";

const config = suite("a wrong configuration");

config("all that is wrong with the environment is told at once, by name, without secrets", async () => {
  const env = {
    APP_ENV: "staging",
    API_PORT: "eighty",
    WORKER_CONCURRENCY: "0",
    MAX_RETRY_COUNT: "99",
    LOG_LEVEL: "loud",
    UNKNOWN_OUTCOME: "maybe",
    SHUTDOWN_DRAIN_SECONDS: "-1",
  };
  for (const command of ["start", "dev", "list", "migrate"]) {
    const { code, stdout, stderr } = await runFn([command], { env });
    assert.is(code, 78, `${command}: ${stderr}`);
    for (const name of Object.keys(env)) assert.match(stderr, new RegExp(`^ *${name} must`, "m"));
    assert.not.match(stderr, /^\s+at /m);
    assert.is(stdout, "");
  }
});

config("addresses, keys and names that do not fit together are told at once, too", async () => {
  const env = {
    DATABASE_URL: "mysql://user:database-secret@host/db",
    RABBITMQ_URL: "http://user:rabbit-secret@host",
    KEYDB_URL: "redis://",
    SENDGRID_BASE_URL: "ftp://host",
    ORG_EMAIL_DOMAIN: "company.example, not a domain",
    JWT_PRIVATE_KEY: "-----BEGIN PRIVATE KEY-----\nkey-secret\n-----END PRIVATE KEY-----",
    MAIL_QUEUE_NAME: "same",
    FAILED_QUEUE_NAME: "same",
  };
  const { code, stdout, stderr } = await runFn(["start"], { env });
  assert.is(code, 78, stderr);
  for (const name of Object.keys(env).filter((name) => name !== "FAILED_QUEUE_NAME")) {
    assert.match(stderr, new RegExp(`^ *${name} `, "m"));
  }
  assert.not.match(stdout + stderr, /secret/);
});

config("both kinds of faults come together", async () => {
  const env = { API_PORT: "eighty", DATABASE_URL: "mysql://host/db", JWT_SECRET: "too-short" };
  const { code, stdout, stderr } = await runFn(["start"], { env });
  assert.is(code, 78);
  for (const name of Object.keys(env)) assert.match(stderr, new RegExp(`^ *${name} `, "m"));
  assert.not.match(stdout + stderr, /too-short/);
});

config("production asks for a key of its own", async () => {
  const { code, stderr } = await runFn(["start"], { env: { APP_ENV: "production" } });
  assert.is(code, 78);
  assert.match(stderr, /JWT_PRIVATE_KEY is required in production/);
});

config("a command that there is not, and one without a project, say so", async () => {
  const unknown = await runFn(["strat"]);
  assert.is(unknown.code, 64);
  assert.match(unknown.stderr, "fn --help");
});

config("wrong function files are all told by file, and nothing is served", async () => {
  const root = await copyProject();
  await mkdir(join(root, "functions/bad"));
  const route = (path: string) =>
    `import { Type } from "typebox"; import { anyone, http } from "#runtime";
     export default http.get("${path}", { access: anyone, returns: Type.Object({}) }).handle(() => ({}));`;
  const bad = {
    "number.ts": "export default 42;",
    "nothing.ts": "export const x = 1;",
    "syntax.ts": "export default http.get(",
    "throws.ts": "throw new Error('at load');",
    "first.ts": route("/same"),
    "second.ts": route("/same"),
    "param-a.ts": route("/with/:id"),
    "param-b.ts": route("/with/:name"),
    "cron.ts": `import { schedule } from "#runtime"; export default schedule("61 * * * *").handle(() => {});`,
    "missing.ts": `import { gone } from "#lib/gone.ts"; export default gone;`,
    "queue.ts": `import { Type } from "typebox"; import { queue } from "#runtime";
      export default queue("mail-queue", { message: Type.Object({}) }).handle(() => {});`,
  };
  for (const [name, code] of Object.entries(bad)) await writeFile(join(root, "functions/bad", name), code);

  const port = await freePort();
  const watching = wasServed(port);
  const { code, stdout, stderr } = await runFn(["start"], { root, env: { API_PORT: String(port) } });
  assert.is(await watching.stop(), false, "the port was opened");
  assert.is(code, 1, stdout);
  const told = stderr.split("\n").filter((line) => line.startsWith("  "));
  const about = (name: string) => told.some((line) => line.trim().startsWith(`functions/bad/${name}`));
  for (const name of ["number.ts", "nothing.ts", "syntax.ts", "throws.ts", "cron.ts", "missing.ts"]) {
    assert.ok(about(name), `nothing about ${name}:\n${stderr}`);
  }
  assert.ok(about("first.ts") !== about("second.ts"), `one of two on one route:\n${stderr}`);
  assert.ok(about("param-a.ts") !== about("param-b.ts"), `one of two on one route:\n${stderr}`);
  // Two on one queue: told of whichever comes second.
  assert.match(stderr, /the queue mail-queue is consumed by functions\//);
  assert.not.match(stderr, /^\s+at /m);
});

/** Tries a port until told to stop, and says whether anything ever listened. */
function wasServed(port: number): { stop(): Promise<boolean> } {
  let served = false;
  const stopping = new AbortController();
  const tries = (async () => {
    while (!stopping.signal.aborted && !served) {
      served = await new Promise<boolean>((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.once("connect", () => socket.destroy());
        socket.once("close", (failed) => setTimeout(resolve, 20, !failed));
        socket.once("error", () => {});
      });
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await tries;
      return served;
    },
  };
}

config.run();
