import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { saying, testProject } from "../testing-project.ts";
import { bundle, evaluate, load } from "./load.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const found = (name: string) => ({ name, file: `functions/${name}.ts` });

test("a function travels with the lib it imports; packages, runtime and resources stay outside", async () => {
  await using project = await testProject({
    "lib/greeting.ts": `export const greeting = "a greeting from lib";`,
    "lib/resources/state.ts": `export const state = { opened: "state of a resource" };`,
    "functions/hello.ts": `import { Type } from "typebox";
      import { anyone, http } from "#runtime";
      import { greeting } from "#lib/greeting.ts";
      import { state } from "../lib/resources/state.ts";
      export default http.get("/hello", { access: anyone, returns: Type.Object({ a: Type.String() }) })
        .handle(() => ({ a: greeting + state.opened }));`,
  });
  const { bundles } = await bundle(project.root, [found("hello")]);
  const code = bundles.get("hello")?.code ?? "";
  assert.match(code, "a greeting from lib");
  assert.not.match(code, "state of a resource");
  assert.match(code, `require("typebox")`);
  assert.match(code, `require("./lib/resources/state.ts")`);
  assert.not.match(code, project.root);
  assert.equal(bundles.get("hello")?.inputs.toSorted(), ["functions/hello.ts", "lib/greeting.ts"]);
  const { loaded, faults } = await load(project.root, [found("hello")]);
  assert.equal(faults, []);
  assert.is(loaded[0]?.definition.kind, "http");
});

test("packages mean the same in a bundle as in Node: default exports of ES modules and of CommonJS", async () => {
  await using project = await testProject({
    "functions/defaults.ts": `import Types from "typebox";
      import jwt from "jsonwebtoken";
      import { createHash } from "node:crypto";
      import { anyone, http } from "#runtime";
      if (typeof Types.Object !== "function") throw new Error("ES module");
      if (typeof jwt.verify !== "function") throw new Error("CommonJS");
      createHash("sha256");
      export default http.get("/d", { access: anyone, returns: Types.Object({}) }).handle(() => ({}));`,
  });
  assert.equal((await load(project.root, [found("defaults")])).faults, []);
});

test("every faulty file is reported, by file and line, and the good ones load", async () => {
  await using project = await testProject({
    "functions/good.ts": saying("/good", "good"),
    "functions/syntax.ts": "export default http.get(;",
    "functions/missing.ts": `import { nothing } from "./nowhere.ts"; export default nothing;`,
    "functions/nothing.ts": "export const unused = 1;",
    "functions/throws.ts": `\n\nthrow new Error("not today"); export default 1;`,
    "functions/package.ts": `import x from "no-such-package"; export default x;`,
  });
  const names = ["good", "syntax", "missing", "nothing", "throws", "package"];
  const { loaded, faults } = await load(project.root, names.map(found));
  assert.equal(
    loaded.map(({ name }) => name),
    ["good"],
  );
  const told = faults.map(({ file, message }) => `${file} ${message}`).join("\n");
  assert.match(told, /functions\/syntax\.ts:1:\d+ /);
  assert.match(told, /functions\/missing\.ts:1:\d+ Could not resolve "\.\/nowhere\.ts"/);
  assert.match(told, /functions\/nothing\.ts its default export is not a function/);
  assert.match(told, /functions\/throws\.ts it does not load: not today/);
  assert.match(told, /functions\/package\.ts it does not load: Cannot find module 'no-such-package'/);
});

test("of two versions, each runs as it is, also where compiled code is kept", async () => {
  await using project = await testProject({ "functions/unused.ts": saying("/u", "u") });
  const program = `import { enableCompileCache } from "node:module";
    enableCompileCache(${JSON.stringify(join(project.root, "compiled"))});
    const { evaluate } = await import(${JSON.stringify(join(import.meta.dirname, "load.ts"))});
    const said = ["one", "two", "one"].map((word) =>
      evaluate(${JSON.stringify(project.root)}, "a/b", { code: \`exports.default = () => "\${word}"\`, map: "", hash: "", inputs: [] })());
    console.log(said.join(" "));`;
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  // The second process finds what the first has kept.
  for (const time of ["first", "second"]) {
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { env });
    assert.is(stdout, "one two one\n", time);
  }
});

test("a stack points into the source", async () => {
  process.setSourceMapsEnabled(true);
  await using project = await testProject({
    "functions/fails.ts": `import { Type } from "typebox";
import { anyone, http } from "#runtime";

export default http.get("/f", { access: anyone, returns: Type.Object({}) }).handle(() => {
  throw new Error("here");
});`,
  });
  const { loaded } = await load(project.root, [found("fails")]);
  const definition = loaded[0]?.definition;
  try {
    definition?.handler({} as never, {} as never);
    assert.unreachable();
  } catch (error) {
    assert.match(String((error as Error).stack), /functions\/fails\.ts:5:/);
  }
});

test("the same source has the same hash, wherever the project lies", async () => {
  const files = { "functions/a.ts": saying("/a", "a") };
  await using here = await testProject(files);
  await using there = await testProject(files);
  const [one, two] = await Promise.all([bundle(here.root, [found("a")]), bundle(there.root, [found("a")])]);
  assert.is(one.bundles.get("a")?.hash, two.bundles.get("a")?.hash);
});

test("however many versions come and go, the heap stays as it was", async () => {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  const heap = (): number => {
    if (typeof collect === "function") collect();
    return process.memoryUsage().heapUsed;
  };
  const code = `module.exports = { default: ${JSON.stringify("x".repeat(100_000))} };`;
  const loads = (count: number) => {
    for (let n = 0; n < count; n++)
      evaluate(root, "x", { code: `${code}//${n}`, map: "", hash: String(n).padStart(64), inputs: [] });
  };
  loads(20);
  const before = heap();
  loads(200);
  const grown = heap() - before;
  assert.ok(grown < 5_000_000, `200 versions of 100 kB have left ${grown} bytes`);
});

test.run();
