import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../ops/harness/eventually.ts";
import { testProject, type TestProject } from "../testing-project.ts";
import { openBundleCache } from "./bundle-cache.ts";
import { bundle, type Bundle } from "./load.ts";

const cache = suite("bundles that are kept");

const sources = {
  "lib/word.ts": `export const word = "one";`,
  "lib/words.ts": `export { word } from "./word.ts";`,
  "functions/a.ts": `import { word } from "#lib/words.ts"; export default () => word;`,
};
const folderOf = ({ root }: TestProject) => join(root, "kept");
const open = (project: TestProject) => openBundleCache(project.root, folderOf(project));

async function build({ root }: TestProject): Promise<Bundle> {
  const made = (await bundle(root, [{ name: "a", file: "functions/a.ts" }])).bundles.get("a");
  if (!made) throw new Error("nothing was built");
  return made;
}

/** Builds, and keeps what was built: which has to wait until the sources are older than that. */
async function keep(project: TestProject): Promise<Bundle> {
  await pause(200);
  const builtAt = Date.now();
  const made = await build(project);
  await open(project).keep("a", made, builtAt);
  return made;
}

cache("a bundle is found as it was built, while nothing of it has changed", async () => {
  await using project = await testProject(sources);
  const made = await keep(project);
  assert.equal(await open(project).find("a"), made);
  await project.write("lib/word.ts", sources["lib/word.ts"]);
  await project.write("lib/other.ts", "export const other = 1;");
  assert.equal(await open(project).find("a"), made, "written anew, but the same");
  assert.is(await open(project).find("b"), undefined);
});

for (const [what, path, text] of [
  ["a source", "lib/word.ts", `export const word = "two";`],
  ["a source that only passes on what another one has", "lib/words.ts", `export const word = "two";`],
  ["the function", "functions/a.ts", `export default () => "two";`],
  ["the project's packages", "package.json", `{ "type": "module", "imports": { "#lib/*": "./lib/*" } }`],
] as const) {
  cache(`with another text in ${what} it is none any more`, async () => {
    await using project = await testProject(sources);
    await keep(project);
    await project.write(path, text);
    assert.is(await open(project).find("a"), undefined);
    if (path !== "package.json") assert.match((await build(project)).code, "two");
  });
}

cache("without one of its sources it is none any more, whatever lies in its place", async () => {
  await using project = await testProject(sources);
  await keep(project);
  await project.remove("lib/words.ts");
  assert.is(await open(project).find("a"), undefined);
});

cache("a source that is saved while it is built leaves nothing behind", async () => {
  await using project = await testProject(sources);
  const builtAt = Date.now();
  const made = await build(project);
  await project.write("lib/word.ts", `export const word = "two";`);
  await open(project).keep("a", made, builtAt);
  assert.is(await open(project).find("a"), undefined);
});

cache(
  "what is broken or of another shape is built again, and a place where nothing can be written is no fault",
  async () => {
    await using project = await testProject(sources);
    const made = await keep(project);
    const [name = ""] = await readdir(folderOf(project));
    const file = join(folderOf(project), name);
    const text = await readFile(file, "utf8");
    for (const broken of ["", "{}", text.slice(0, -20), text.replace(/"code":"/, '"code":1,"x":"')]) {
      await writeFile(file, broken);
      assert.is(await open(project).find("a"), undefined, broken.slice(0, 30));
    }
    await project.write("taken", "by a file");
    const nowhere = openBundleCache(project.root, join(project.root, "taken"));
    await nowhere.keep("a", made, Date.now() + 1000);
    assert.is(await nowhere.find("a"), undefined);
  },
);

cache("of many that keep one at once, one is kept whole", async () => {
  await using project = await testProject(sources);
  const made = await keep(project);
  await Promise.all(Array.from({ length: 20 }, () => open(project).keep("a", made, Date.now() + 1000)));
  await eventually(async () => (await readdir(folderOf(project))).length === 1, { what: "nothing else is left" });
  assert.equal(await open(project).find("a"), made);
});

cache.run();
