/** An operator stops the system in the middle of its work; and a function keeps to its limits. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { copyProject } from "./fn.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const stops = suite("stopping");
let root = "";
let marks = "";
let system: System;

const preamble = `
  import { existsSync, readdirSync, writeFileSync } from "node:fs";
  import { join } from "node:path";
  import { Type } from "typebox";
  import { anyone, http, queue } from "#runtime";
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
`;

stops.before(async () => {
  root = await copyProject();
  marks = join(root, "marks");
  await mkdir(marks);
  const folder = JSON.stringify(marks);
  const functions = {
    // Answers when the file "open" is there.
    gated: `export default http.get("/gated", { access: anyone, returns: Type.Object({}) }).handle(async () => {
        while (!existsSync(join(${folder}, "open"))) await pause(10);
        return {};
      });`,
    never: `export default http.get("/never", { access: anyone, timeLimitMs: 300, returns: Type.Object({}) })
        .handle(async (_request, ctx) => {
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
          writeFileSync(join(${folder}, "aborted"), "");
          return {};
        });`,
    narrow: `export default http.get("/narrow", { access: anyone, concurrency: 2, returns: Type.Object({}) })
        .handle(async () => {
          while (!existsSync(join(${folder}, "open"))) await pause(10);
          return {};
        });`,
    publish: `export default http.get("/publish/:n", { access: anyone, params: Type.Object({ n: Type.Integer() }), returns: Type.Object({}) })
        .handle(async ({ params }, ctx) => {
          await ctx.broker.publish("work", { n: params.n });
          return {};
        });`,
    depth: `const Depth = Type.Object({ ready: Type.Integer(), delayed: Type.Integer(), active: Type.Integer() });
      export default http.get("/depth", { access: anyone, returns: Depth }).handle((_request, ctx) => ctx.broker.depth("work"));`,
    work: `export default queue("work", { message: Type.Object({ n: Type.Integer() }), concurrency: 3 })
        .handle(async ({ message }) => {
          const mark = (what: string) => writeFileSync(join(${folder}, what + "-" + message.n + "-" + readdirSync(${folder}).length), "");
          mark("began");
          while (!existsSync(join(${folder}, "finish"))) await pause(10);
          mark("ended");
        });`,
  };
  for (const [name, code] of Object.entries(functions)) {
    await writeFile(join(root, "functions", `${name}.ts`), preamble + code);
  }
  system = await startSystem({ root });
});
stops.after(stopAll);

const get = (path: string) => system.call(path, { token: null });
const marked = async (what: string) => (await readdir(marks)).filter((name) => name.startsWith(`${what}-`));

async function inProgress(name: string, count: number): Promise<void> {
  const line = new RegExp(`^function_calls_in_progress\\{function="${name}".*\\} ${count}$`, "m");
  await eventually(async () => line.test((await get("/metrics")).text), { what: `${count} calls of ${name}` });
}

stops("a call over its time limit gets 504, and is told to give up", async () => {
  const answer = await get("/never");
  assert.is(answer.status, 504);
  assert.is(answer.body["code"], "time_limit");
  assert.ok(answer.ms >= 300 && answer.ms < 1500, `${answer.ms} ms`);
  await eventually(async () => (await readdir(marks)).includes("aborted"), { what: "its signal is aborted" });
});

stops("past its concurrency a function sheds calls, and says when to come back", async () => {
  const held = [get("/narrow"), get("/narrow")];
  await inProgress("narrow", 2);
  const answer = await get("/narrow");
  assert.is(answer.status, 503);
  assert.is(answer.body["code"], "overloaded");
  assert.is(answer.headers.get("retry-after"), "1");
  assert.ok(answer.ms < 500, `${answer.ms} ms`);
  await writeFile(join(marks, "open"), "");
  for (const { status } of await Promise.all(held)) assert.is(status, 200);
  assert.is((await get("/narrow")).status, 200);
  await rm(join(marks, "open"));
});

stops("SIGTERM: what runs is finished, nothing new gets in, and it exits with 0", async () => {
  const requests = Array.from({ length: 10 }, () => get("/gated"));
  await inProgress("gated", 10);
  for (let n = 1; n <= 8; n++) await get(`/publish/${n}`);
  await eventually(async () => (await marked("began")).length === 3, { what: "three deliveries are in progress" });

  const stopped = system.stop();
  await eventually(async () => await get("/health/live").then(() => false, isRefused), {
    what: "new connections are refused",
  });
  await writeFile(join(marks, "open"), "");
  for (const { status } of await Promise.all(requests)) assert.is(status, 200);
  // Long enough for one that does not wait for its deliveries to be gone.
  await pause(500);
  assert.is((await marked("ended")).length, 0);
  await writeFile(join(marks, "finish"), "");
  const opened = performance.now();
  const { code } = await stopped;
  assert.is(code, 0);
  assert.ok(performance.now() - opened < 5000, "it does not wait for clients to hang up");
  const began = await marked("began");
  assert.is(began.length, 3, "nothing new was begun");
  assert.is((await marked("ended")).length, 3, "what was begun was finished");
});

stops("what was not begun is there after the next start; what was finished does not come again", async () => {
  await system.start();
  // What was not acknowledged would wait here for its consumer's last sign of life to be old enough, and come again.
  const empty = { ready: 0, delayed: 0, active: 0 };
  const isEmpty = async () => JSON.stringify((await get("/depth")).body) === JSON.stringify(empty);
  await eventually(isEmpty, { what: "the queue is empty", within: 40_000 });
  const numbers = (await marked("ended")).map((name) => name.split("-")[1]).toSorted();
  assert.equal(numbers, ["1", "2", "3", "4", "5", "6", "7", "8"]);
});

stops("told twice, it ends at once", async () => {
  await rm(join(marks, "open"));
  const held = get("/gated").catch(() => undefined);
  await inProgress("gated", 1);
  const stopped = system.stop();
  await eventually(async () => (await system.output()).stdout.split('"msg":"stopping"').length === 3, {
    what: "it is stopping",
  });
  process.kill(system.pid, "SIGTERM");
  const { code } = await stopped;
  assert.is(code, 1);
  await held;
  // Its database was left alone and is stopped by the next owner.
  await system.start();
  assert.is((await system.stop()).code, 0);
});

function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
}

stops.run();
