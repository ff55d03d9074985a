/** The borders of the house: imports point one way. */
import { readFile, glob } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = join(import.meta.dirname, "..");
const importPattern = /(?:^|\n)\s*(import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']/g;

interface Import {
  /** The importing file and what it imports, relative to the root. */
  file: string;
  target: string;
  typeOnly: boolean;
  names: string;
}

/** Every import between files of the project, tests aside. */
async function* imports(): AsyncGenerator<Import> {
  const files = glob(["functions/**/*.ts", "lib/**/*.ts", "runtime/**/*.ts", "runtime.config.ts"], { cwd: root });
  for await (const file of files) {
    if (file.endsWith(".test.ts") || file.includes("testing")) continue;
    const text = await readFile(join(root, file), "utf8");
    for (const [statement, , type, specifier = ""] of text.matchAll(importPattern)) {
      const target = resolve(file, specifier);
      if (target !== undefined) yield { file, target, typeOnly: type !== undefined, names: statement };
    }
  }
}

function resolve(file: string, specifier: string): string | undefined {
  if (specifier === "#runtime") return "runtime/index.ts";
  if (specifier.startsWith("#lib/")) return `lib/${specifier.slice(5)}`;
  if (!specifier.startsWith(".")) return undefined;
  return relative(root, join(root, dirname(file), specifier));
}

/** What is wrong with one import, or undefined. */
function breach({ file, target, typeOnly, names }: Import): string | undefined {
  const from = file.split("/")[0];
  const to = target.split("/")[0];
  const inResources = (path: string) => path.startsWith("lib/resources/");
  if (from === "runtime" && to !== "runtime") return "runtime imports nothing of the house";
  if (to === "functions") {
    const shared = /\/_[^/]*$/.test(target) && file.startsWith(`${dirname(target)}/`);
    return shared
      ? undefined
      : "a function is imported by nobody, and _ files by their own folder and those in it only";
  }
  if (from === "functions" && to === "runtime" && target !== "runtime/index.ts")
    return "functions use the builders only";
  if (from === "functions" && inResources(target)) return "functions reach resources by their context";
  if (from !== "lib") return undefined;
  if (inResources(file) && to === "lib" && !inResources(target)) return "resources import nothing else of lib";
  if (to !== "runtime" || typeOnly) return undefined;
  const onlyTypes = /\{([^}]*)\}/
    .exec(names)?.[1]
    ?.split(",")
    .every((name) => /^\s*(?:type\s|$)/.test(name));
  if (onlyTypes || target === "runtime/problem.ts") return undefined;
  return "lib imports from runtime types and Problem only";
}

test("imports point one way", async () => {
  const breaches: string[] = [];
  let count = 0;
  for await (const one of imports()) {
    count++;
    const why = breach(one);
    if (why) breaches.push(`${one.file} imports ${one.target}: ${why}`);
  }
  assert.ok(count > 100, `only ${count} imports were found: the pattern no longer fits the code`);
  assert.equal(breaches, []);
});

test("the rule knows a breach when it sees one", () => {
  const of = (file: string, target: string, names = "import { x } from") =>
    breach({ file, target, typeOnly: false, names });
  assert.ok(of("runtime/http.ts", "lib/config.ts"));
  assert.ok(of("functions/mail/send.ts", "functions/mail/status.ts"));
  assert.ok(of("functions/mail/send.ts", "functions/auth/_api.ts"));
  assert.ok(of("functions/mail/send.ts", "runtime/runtime.ts"));
  assert.ok(of("lib/mail/accept.ts", "functions/mail/_api.ts"));
  assert.ok(of("lib/mail/accept.ts", "runtime/http.ts"));
  assert.ok(of("lib/resources/cache.ts", "lib/config.ts"));
  assert.not(of("lib/mail/accept.ts", "runtime/http.ts", "import { type Reply } from"));
  assert.not(of("lib/mail/accept.ts", "runtime/problem.ts"));
  assert.not(of("functions/mail/send.ts", "functions/mail/_api.ts"));
  assert.not(of("functions/crm/tags/list.ts", "functions/crm/_api.ts"));
  assert.ok(of("functions/crm/tags/list.ts", "functions/crm/members/_api.ts"));
});

test.run();
