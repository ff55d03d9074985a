/** A developer's afternoon: files are saved, and the running system follows without anybody noticing. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { copyProject, runFn } from "./fn.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const swaps = suite("swapping functions");
let root = "";
let system: System;

swaps.before(async () => {
  root = await copyProject();
  system = await startSystem({ command: "dev", root, env: { LOG_LEVEL: "warn" } });
});
swaps.after(stopAll);

const file = (name: string) => join(root, "functions", `${name}.ts`);

/** A function at `/<name>` that answers with its version; `before` runs first. */
async function save(name: string, version: number, before = ""): Promise<void> {
  await writeFile(
    file(name),
    `import { existsSync } from "node:fs";
     import { Type } from "typebox";
     import { anyone, http } from "#runtime";
     const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
     export default http
       .get("/${name}", { access: anyone, summary: "Version ${version}", returns: Type.Object({ version: Type.Integer() }) })
       .handle(async () => {
         ${before}
         return { version: ${version} };
       });
     void [existsSync, pause];`,
  );
}

const get = (name: string) => system.call(`/${name}`, { token: null });
const serves = (name: string, version: number, within: number) =>
  eventually(async () => (await get(name)).body["version"] === version, { what: `/${name} is ${version}`, within });

swaps("a file dropped into functions/ is served within a second, documented and listed", async () => {
  const { pid } = system;
  assert.is((await get("hello")).status, 404);
  await save("hello", 1);
  await serves("hello", 1, 1000);
  assert.is(system.pid, pid);

  const { body } = await system.call("/openapi.json", { token: null });
  assert.match(JSON.stringify(body["paths"]), /"\/hello":\{"get":\{.*"Version 1"/);
  const listed = await runFn(["list", "--json"], { root });
  const rows: { function: string; where: string }[] = JSON.parse(listed.stdout);
  assert.is(rows.find((row) => row.function === "hello")?.where, "GET /hello");
});

swaps("saving it changes what it answers", async () => {
  await save("hello", 2);
  await serves("hello", 2, 1000);
});

swaps("a broken save keeps the old version and prints what is wrong, until it is mended", async () => {
  for (const broken of ["export default http.get(", "export default 42;", "throw new Error('at load');"]) {
    const before = (await system.output()).stderr.length;
    await writeFile(file("hello"), broken);
    await eventually(async () => (await system.output()).stderr.includes("functions/hello.ts", before), {
      what: "the fault is printed",
    });
    assert.match((await system.output()).stderr.slice(before), "kept the old version");
    assert.is((await get("hello")).body["version"], 2);
  }
  await save("hello", 3);
  await serves("hello", 3, 1000);
});

swaps("two functions on one route: the second is refused by name, the first goes on", async () => {
  const before = (await system.output()).stderr.length;
  await save("hello", 4);
  await serves("hello", 4, 1000);
  await writeFile(
    file("other"),
    `import { Type } from "typebox";
     import { anyone, http } from "#runtime";
     export default http.get("/hello", { access: anyone, returns: Type.Object({}) }).handle(() => ({}));`,
  );
  await eventually(async () => (await system.output()).stderr.includes("functions/other.ts", before), {
    what: "the fault is printed",
  });
  assert.match((await system.output()).stderr.slice(before), /GET \/hello is taken by functions\/hello\.ts/);
  assert.is((await get("hello")).body["version"], 4);
  const { body } = await system.call("/openapi.json", { token: null });
  assert.match(JSON.stringify(body["paths"]), /"\/hello":\{"get":\{.*"Version 4"/);
  await rm(file("other"));
});

swaps("deleting the file takes the function away", async () => {
  await rm(file("hello"));
  await eventually(async () => (await get("hello")).status === 404, { what: "/hello is gone", within: 1000 });
  const { body } = await system.call("/openapi.json", { token: null });
  assert.not.match(JSON.stringify(body["paths"]), "/hello");
});

swaps("a slow call finishes on the version that it began on", async () => {
  const gate = join(root, "gate");
  await save("slow", 1, `while (!existsSync(${JSON.stringify(gate)})) await pause(10);`);
  await eventually(async () => (await runningCalls("slow")) !== undefined, { what: "/slow is mounted" });
  const slow = get("slow");
  await eventually(async () => (await runningCalls("slow")) === 1, { what: "the call has begun" });
  await save("slow", 2);
  await eventually(async () => (await system.output()).stderr.includes("swapped slow"), { what: "it is swapped" });
  await serves("slow", 2, 1000);
  await writeFile(gate, "");
  const answer = await slow;
  assert.is(answer.status, 200);
  assert.is(answer.body["version"], 1);
});

swaps(
  "10,000 requests at 64 connections while it is swapped 20 times: none fails, and nothing is left behind",
  async () => {
    await save("busy", 0);
    await serves("busy", 0, 2000);
    await load({ requests: 2000, until: Promise.resolve() });
    const before = await system.metric("nodejs_heap_size_used_bytes");

    const seen = new Set<number>();
    const swapping = (async () => {
      for (let version = 1; version <= 20; version++) {
        await save("busy", version);
        await eventually(() => seen.has(version), { what: `version ${version} answers` });
      }
    })();
    const { requests, failures } = await load({ requests: 10_000, until: swapping, seen });
    await swapping;
    assert.ok(requests >= 10_000);
    assert.equal(failures, []);
    assert.is(seen.size, 21);

    // The heap is read between collections, so one low reading is what tells.
    const grown = await eventually(
      async () => {
        await load({ requests: 500, until: Promise.resolve() });
        const growth = (await system.metric("nodejs_heap_size_used_bytes")) - before;
        return growth < 64 * 2 ** 20 && { growth };
      },
      { what: "the heap has not grown by 64 MB", within: 10_000 },
    );
    assert.ok(grown);
  },
);

/** Calls `/busy` over 64 connections, at least so often, and until that has happened. */
async function load(options: {
  requests: number;
  until: Promise<void>;
  seen?: Set<number>;
}): Promise<{ requests: number; failures: string[] }> {
  const failures: string[] = [];
  let requests = 0;
  const done = new AbortController();
  const until = options.until.finally(() => done.abort());
  const connection = async () => {
    while (!done.signal.aborted || requests < options.requests) {
      requests++;
      try {
        const answer = await get("busy");
        if (answer.status === 200) options.seen?.add(Number(answer.body["version"]));
        else failures.push(`${answer.status} ${answer.text}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  await Promise.all([until, ...Array.from({ length: 64 }, connection)]);
  return { requests, failures: failures.slice(0, 5) };
}

/** Calls in progress, or undefined for a function that is not there. */
async function runningCalls(name: string): Promise<number | undefined> {
  const { text } = await system.call("/metrics", { token: null });
  const value = new RegExp(`^function_calls_in_progress\\{function="${name}".*\\} (\\d+)$`, "m").exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

swaps.run();
