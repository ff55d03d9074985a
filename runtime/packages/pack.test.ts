import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { pack } from "./pack.ts";
import { cacheFolder } from "./use.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
// Where it finds the packages that it leaves outside.
await mkdir(cacheFolder(root), { recursive: true });
const folder = await mkdtemp(join(cacheFolder(root), "test-"));
await pack(root, folder);

/** Runs a program in a process of its own, in which `used` tells whether packages are taken from the folder. */
async function say(program: string): Promise<unknown> {
  const use = pathToFileURL(join(import.meta.dirname, "use.ts")).href;
  const [at, from] = [root, folder].map((path) => JSON.stringify(path));
  const text = `import { usePacked } from ${JSON.stringify(use)}; const used = usePacked(${at}, ${from}); ${program}`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", text], { cwd: root });
  return JSON.parse(stdout);
}

test("a package that is packed offers what it offers unpacked, to import and to require, and is there once", async () => {
  const names = ["typebox", "typebox/compile", "typebox/value", "@mikro-orm/core", "@mikro-orm/postgresql", "redis"];
  const list = `Promise.all(${JSON.stringify(names)}.map(async (name) => Object.keys(await import(name)).toSorted()))`;
  const packed = await say(`console.log(JSON.stringify({ used, names: await ${list} }))`);
  const plain = await run(process.execPath, ["-e", `${list}.then((all) => console.log(JSON.stringify(all)))`], {
    cwd: root,
  });
  assert.equal(packed, { used: true, names: JSON.parse(plain.stdout) });
  const program = `import { createRequire } from "node:module";
    const required = createRequire(${JSON.stringify(join(root, "package.json"))})("typebox");
    const { Type } = await import("typebox");
    const { Value } = await import("typebox/value");
    const orm = await import("@mikro-orm/core");
    const { MikroORM } = await import("@mikro-orm/postgresql");
    console.log(JSON.stringify([required.Type === Type, Value.Check(Type.String(), "x"), MikroORM.prototype instanceof orm.MikroORM]))`;
  assert.equal(await say(program), [true, true, true]);
});

test("with another version of a package inside, all are taken from their own files", async () => {
  const file = join(folder, "pack.json");
  const kept = await readFile(file, "utf8");
  await writeFile(file, kept.replace(/"(node_modules\/typebox)": "[^"]+"/, `"$1": "0.0.1"`));
  const found = await say(`console.log(JSON.stringify([used, typeof (await import("typebox")).Type]))`);
  assert.equal(found, [false, "object"]);
  await writeFile(file, "{}");
  assert.equal(await say(`console.log(JSON.stringify(used))`), false, "of a pack that is none, nothing is taken");
});

test("two may pack at once, and leave one pack", async () => {
  const use = pathToFileURL(join(import.meta.dirname, "pack.ts")).href;
  const program = `import { pack } from ${JSON.stringify(use)}; await pack(${[root, folder].map((path) => JSON.stringify(path)).join(", ")});`;
  const once = () => run(process.execPath, ["--input-type=module", "-e", program], { cwd: root });
  await Promise.all([once(), once()]);
  assert.equal(await say(`console.log(JSON.stringify(used))`), true);
  const beside = await readdir(join(folder, ".."));
  assert.equal(
    beside.filter((name) => name.startsWith(`${basename(folder)}.`)),
    [],
  );
});

test.after(() => rm(folder, { recursive: true, force: true }));

test.run();
