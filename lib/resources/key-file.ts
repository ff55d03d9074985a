/** Keys of our own, each kept in a file for its owner alone. */
import { randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeFolder } from "./folder.ts";

/** The text of a key's file, or undefined where there is none that can be read. */
export async function readKeyFile(file: string): Promise<string | undefined> {
  return await readFile(file, "utf8").catch(() => undefined);
}

/** Reads the file, or makes it with what `make` returns. Processes that do so at the same moment all get one key. */
export async function keyFile(file: string, make: () => string | Promise<string>): Promise<string> {
  const existing = await readKeyFile(file);
  if (existing !== undefined) return existing;
  const text = await make();
  await makeFolder(dirname(file), 0o700);
  // The name appears with all of its content or not at all: another process may start, or this one die, in between.
  const whole = `${file}.${randomUUID()}`;
  try {
    await writeFile(whole, text, { mode: 0o600, flag: "wx", flush: true });
    await link(whole, file);
    return text;
  } catch (error) {
    if (!isTaken(error)) throw error;
    return await readFile(file, "utf8"); // Another process was first.
  } finally {
    await rm(whole, { force: true });
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}
