import { pino } from "pino";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bareSettings } from "./host/create.ts";
import { createRuntime, FunctionFaults } from "./runtime.ts";
import { saying, testProject, type TestProject } from "./testing-project.ts";

const runtimeOf = ({ root }: TestProject) =>
  createRuntime({
    root,
    title: "Test",
    version: "1.2.3",
    settings: bareSettings,
    resources: {} as never,
    log: pino({ level: "silent" }),
  });

const get = async (runtime: Awaited<ReturnType<typeof runtimeOf>>, path: string) => {
  const response = await runtime.fetch(new Request(`http://localhost${path}`));
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test("at start everything wrong is told at once, and nothing is mounted", async () => {
  await using project = await testProject({
    "functions/one.ts": saying("/same/:id", "one"),
    "functions/two.ts": saying("/same/:name", "two"),
    "functions/none.ts": "export default 7;",
    "functions/late.ts": `import { schedule } from "#runtime"; export default schedule("61 * * * *").handle(() => {});`,
    "functions/queue.ts": `import { Type } from "typebox"; import { queue } from "#runtime";
      export default queue("q", { message: Type.Object({}) }).handle(() => {});`,
  });
  try {
    await runtimeOf(project);
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof FunctionFaults);
    const told = error.message;
    assert.match(told, /functions\/two\.ts: GET \/same\/:name is taken by functions\/one\.ts/);
    assert.match(told, /functions\/none\.ts: its default export is not a function/);
    assert.match(told, /functions\/late\.ts: its cron line "61 \* \* \* \*" is wrong/);
    assert.match(told, /functions\/queue\.ts: it consumes a queue, but no broker is open/);
  }
});

test("a save swaps, a new file mounts, a deleted one unmounts, a broken one keeps what ran", async () => {
  await using project = await testProject({ "functions/a.ts": saying("/a", "one") });
  const runtime = await runtimeOf(project);
  assert.equal((await get(runtime, "/a")).body, { said: "one" });

  await project.write("functions/a.ts", saying("/a", "two"));
  await project.write("functions/b.ts", saying("/b", "new"));
  const saved = await runtime.reload(new Set(["functions/a.ts", "functions/b.ts"]));
  assert.equal([saved.swapped, saved.mounted, saved.faults], [["a"], ["b"], []]);
  assert.equal((await get(runtime, "/a")).body, { said: "two" });
  assert.equal((await get(runtime, "/b")).body, { said: "new" });

  await project.write("functions/a.ts", "not TypeScript (");
  const broken = await runtime.reload(new Set(["functions/a.ts"]));
  assert.match(broken.faults[0]?.file ?? "", "functions/a.ts");
  assert.equal((await get(runtime, "/a")).body, { said: "two" });

  await project.write("functions/a.ts", saying("/a", "three"));
  await project.remove("functions/b.ts");
  const mended = await runtime.reload(new Set());
  assert.equal([mended.swapped, mended.unmounted], [["a"], ["b"]]);
  assert.equal((await get(runtime, "/a")).body, { said: "three" });
  assert.is((await get(runtime, "/b")).status, 404);
  await runtime.stop();
});

test("a new function that takes a mounted one's route is refused, and the mounted one stays", async () => {
  await using project = await testProject({ "functions/a.ts": saying("/a", "one") });
  const runtime = await runtimeOf(project);
  await project.write("functions/thief.ts", saying("/a", "stolen"));
  const { mounted, faults } = await runtime.reload(new Set(["functions/thief.ts"]));
  assert.equal(mounted, []);
  assert.match(faults[0]?.message ?? "", "is taken by functions/a.ts");
  assert.equal((await get(runtime, "/a")).body, { said: "one" });
  await runtime.stop();
});

test("a function can move to another address, and change a lib file that several use", async () => {
  const shared = (path: string) => `import { Type } from "typebox"; import { anyone, http } from "#runtime";
    import { word } from "#lib/word.ts";
    export default http.get("${path}", { access: anyone, returns: Type.Object({ word: Type.String() }) }).handle(() => ({ word }));`;
  await using project = await testProject({
    "lib/word.ts": `export const word = "old";`,
    "functions/a.ts": shared("/a"),
    "functions/b.ts": shared("/b"),
    "functions/c.ts": saying("/c", "untouched"),
  });
  const runtime = await runtimeOf(project);
  await project.write("lib/word.ts", `export const word = "new";`);
  assert.equal((await runtime.reload(new Set(["lib/word.ts"]))).swapped, ["a", "b"]);
  assert.equal((await get(runtime, "/b")).body, { word: "new" });
  await project.write("functions/a.ts", shared("/moved"));
  await runtime.reload(new Set(["functions/a.ts"]));
  assert.is((await get(runtime, "/a")).status, 404);
  assert.equal((await get(runtime, "/moved")).body, { word: "new" });
  await runtime.stop();
});

test("the runtime's own pages: live, ready, metrics, openapi, docs", async () => {
  await using project = await testProject({ "functions/a.ts": saying("/a/:x", "one") });
  const runtime = await runtimeOf(project);
  assert.is((await get(runtime, "/health/live")).status, 200);
  assert.is((await get(runtime, "/health/ready")).status, 503);
  await runtime.start();
  assert.is((await get(runtime, "/health/ready")).status, 200);

  const page = new Request("http://localhost/metrics", { method: "OPTIONS" });
  assert.is((await runtime.fetch(page)).headers.get("allow"), "GET, HEAD");

  await get(runtime, "/a/1");
  const metrics = await (await runtime.fetch(new Request("http://localhost/metrics"))).text();
  assert.match(metrics, `function_calls_total{function="a",trigger="http",outcome="200"} 1`);
  assert.match(metrics, `function_call_duration_seconds_count{function="a",trigger="http"} 1`);

  const { body } = await get(runtime, "/openapi.json");
  assert.is(body["openapi"], "3.1.0");
  const paths = body["paths"] as Record<string, Record<string, { operationId: string }>>;
  assert.is(paths["/a/{x}"]?.["get"]?.operationId, "a");
  const docs = await runtime.fetch(new Request("http://localhost/docs"));
  assert.match(await docs.text(), "SwaggerUIBundle");
  const script = await runtime.fetch(new Request("http://localhost/docs/swagger-ui-bundle.js"));
  assert.is(script.headers.get("content-type"), "text/javascript; charset=utf-8");

  await runtime.stop();
  assert.is((await get(runtime, "/health/ready")).status, 503);
});

test.run();
