/** A project of its own in a temporary folder, for tests of what works on files. */
import { mkdir, mkdtemp, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface TestProject extends AsyncDisposable {
  root: string;
  /** Writes a file, with the folders above it. */
  write(path: string, text: string): Promise<void>;
  remove(path: string): Promise<void>;
}

/** Makes a project that has this one's runtime and packages, and the given files. */
export async function testProject(files: Readonly<Record<string, string>>): Promise<TestProject> {
  const root = await mkdtemp(join(tmpdir(), "project-"));
  const house = join(import.meta.dirname, "..");
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  await write(
    "package.json",
    JSON.stringify({ type: "module", imports: { "#runtime": "./runtime/index.ts", "#lib/*": "./lib/*" } }),
  );
  await mkdir(join(root, "functions"));
  await symlink(join(house, "node_modules"), join(root, "node_modules"));
  await symlink(join(house, "runtime"), join(root, "runtime"));
  for (const [path, text] of Object.entries(files)) await write(path, text);
  return {
    root,
    write,
    remove: (path) => unlink(join(root, path)),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

/** The text of a function file that answers GET `path` with `{ said }`. */
export function saying(path: string, said: string): string {
  return `import { Type } from "typebox";
import { anyone, http } from "#runtime";
export default http
  .get("${path}", { access: anyone, returns: Type.Object({ said: Type.String() }) })
  .handle(() => ({ said: "${said}" }));
`;
}
