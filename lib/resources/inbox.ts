/** The sandbox inbox: a folder of `.eml` files. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "./folder.ts";

export interface Inbox {
  readonly folder: string;
  /** Keeps a message (RFC 5322) as `<name>.eml`; whole or not at all. */
  keep(name: string, message: Buffer): Promise<void>;
}

export async function openInbox(folder: string): Promise<Inbox> {
  await makeFolder(folder);
  return {
    folder,
    async keep(name, message) {
      const path = join(folder, `${name}.eml`);
      await writeFile(`${path}.part`, message);
      await rename(`${path}.part`, path);
    },
  };
}
