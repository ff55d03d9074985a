/** The first admin token: made when a system starts that has no tokens at all, and kept in a file for its operator. */
import { open, readFile } from "node:fs/promises";
import type { Context } from "../../runtime/context.ts";
import { createToken } from "./tokens.ts";

/** Returns the token when it was made just now, to be shown once; undefined when the system has tokens already. */
export async function firstAdminToken(
  ctx: Pick<Context, "db" | "entities" | "signingKey" | "clock">,
  file: string,
): Promise<string | undefined> {
  const { rows } = await ctx.db.query("SELECT 1 FROM client_tokens LIMIT 1");
  if (rows.length > 0) return undefined;
  // Opened first: a token that could not be kept would be lost, and no later start would make another.
  const handle = await open(file, "w", 0o600);
  try {
    const { token } = await createToken(ctx, {
      clientName: "First administrator",
      department: undefined,
      permissions: ["admin"],
    });
    await handle.writeFile(`${token}\n`);
    return token;
  } finally {
    await handle.close();
  }
}

/** The token that the file keeps, or undefined. */
export async function readAdminToken(file: string): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text?.trim() || undefined;
}
