/** What others wrote and we ship: under which licences. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = join(import.meta.dirname, "..");

/** Licences that ask for no more than that they are named. */
const permissive = new Set(
  "MIT MIT-0 ISC Apache-2.0 BSD-2-Clause BSD-3-Clause 0BSD BlueOak-1.0.0 CC0-1.0 OFL-1.1 Unlicense Python-2.0".split(
    " ",
  ),
);

/** Looked at one by one: what else holds for the packages whose names begin so. */
const exceptions: readonly [name: string, licence: string | undefined][] = [
  // The picture library behind sharp: a shared library of its own, which anyone may replace.
  ["@img/sharp", "LGPL-3.0-or-later"],
  // MIT, which its LICENSE file alone says.
  ["png-js", undefined],
];

interface Locked {
  version?: string;
  license?: string;
  dev?: boolean;
  optional?: boolean;
}

async function shipped(): Promise<{ name: string; licence: string | undefined }[]> {
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true)
    .map(([path, { license }]) => ({ name: path.replace(/^.*node_modules\//, ""), licence: license }));
}

/** Whether an SPDX expression leaves us a permissive choice: all of an AND, one of an OR. */
function isPermissive(expression: string, also?: string): boolean {
  const plain = expression.replaceAll(/[()]/g, "");
  return plain
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((licence) => permissive.has(licence) || licence === also));
}

test("every package that is shipped has a licence that lets us ship it", async () => {
  const all = await shipped();
  assert.ok(all.length > 150);
  const wrong = all.filter(({ name, licence }) => {
    const [, allowed] = exceptions.find(([start]) => name.startsWith(start)) ?? [name, "none"];
    return licence === undefined ? allowed !== undefined : !isPermissive(licence, allowed);
  });
  assert.equal(wrong, []);
});

test("the rule knows what it would not take", () => {
  for (const good of ["MIT", "(MIT OR GPL-2.0)", "MIT AND OFL-1.1"]) assert.ok(isPermissive(good), good);
  for (const bad of ["GPL-3.0", "MIT AND AGPL-3.0", "UNLICENSED", ""]) assert.not(isPermissive(bad), bad);
});

test.run();
