/** The CRM's first admin: made when a system starts that has no users at all, and kept in a file for its operator. */
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import type { Context } from "../../../runtime/context.ts";
import { createUser } from "./users.ts";

export interface Credentials {
  username: string;
  password: string;
}

/** Nobody has to think of one, and nobody can guess it: 120 bits. */
export function newPassword(): string {
  return randomBytes(15).toString("base64url");
}

/** Returns who was made just now, to be shown once; undefined when the system has users already. */
export async function firstAdmin(
  ctx: Pick<Context, "db" | "entities" | "clock" | "passwordTurns" | "signal">,
  file: string,
): Promise<Credentials | undefined> {
  const { rows } = await ctx.db.query("SELECT 1 FROM users LIMIT 1");
  if (rows.length > 0) return undefined;
  const admin = { username: "admin", password: newPassword() };
  // Written first: a password that could not be kept would be lost, and no later start would make another.
  const handle = await open(file, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(admin)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await createUser(ctx, { ...admin, email: "admin@localhost", full_name: "系統管理員", role: "admin" });
  return admin;
}
