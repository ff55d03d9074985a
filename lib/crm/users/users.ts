/** Administering the CRM's users. */
import { LockMode, UniqueConstraintViolationException, type InferEntity } from "@mikro-orm/core";
import { Type } from "typebox";
import type { Context } from "../../../runtime/context.ts";
import { PlainText } from "../../plain-text.ts";
import { User } from "../../resources/crm-entities.ts";
import { roles, type Role } from "../values.ts";
import type { Found, Page } from "../paging.ts";
import { invalid, lastAdmin, taken, userNotFound } from "../problems.ts";
import { hashPassword, NewPassword } from "./passwords.ts";

/** What is said of a user, wherever it is said. A name has no `@`, so that none is another one's address. */
export const userSettings = {
  username: Type.String({ pattern: "^[\\w.-]{1,50}$", description: "Letters, digits and . _ -" }),
  email: Type.String({ format: "email", maxLength: 100 }),
  password: NewPassword,
  full_name: Type.Union([PlainText({ maxLength: 100 }), Type.Null()]),
  role: Type.Union(roles.map((role) => Type.Literal(role))),
  is_active: Type.Boolean(),
};

export interface UserSettings {
  username: string;
  email: string;
  password: string;
  full_name?: string | null;
  role: Role;
  is_active?: boolean;
}

export type UserRow = InferEntity<typeof User>;
type Administration = Pick<Context, "entities" | "clock" | "passwordTurns" | "signal">;

/** Returns once the user is committed. Throws `already_there` where the name or the address is another one's. */
export async function createUser(ctx: Administration, settings: UserSettings): Promise<UserRow> {
  const { username, email, password, full_name: fullName = null, role, is_active: isActive = true } = settings;
  refuseUserName("password", password, username);
  const passwordHash = await hashPassword(ctx, password);
  const em = await ctx.entities.fork();
  return await unique(async () => {
    const user = em.create(User, {
      username,
      email,
      passwordHash,
      fullName,
      role,
      isActive,
      tokenVersion: 1,
      createdAt: ctx.clock.now(),
    });
    await em.flush();
    return user;
  });
}

/** In the order they were made. */
export async function listUsers({ entities }: Administration, page: Page): Promise<Found<UserRow>> {
  const em = await entities.fork();
  const options = { orderBy: { id: "asc" }, limit: page.pageSize, offset: page.offset } as const;
  const [items, total] = await em.findAndCount(User, {}, options);
  return { items, total };
}

/** Throws `user_not_found`. */
export async function readUser({ entities }: Pick<Context, "entities">, id: number): Promise<UserRow> {
  const em = await entities.fork();
  const user = await em.findOne(User, { id });
  if (!user) throw userNotFound();
  return user;
}

/**
 * Changes what is given of a user, and nothing else. A new password, and deactivating, end all of his tokens within a
 * second; a new role holds within a second. Throws `user_not_found`, `already_there`, or `last_admin`.
 */
export async function updateUser(ctx: Administration, id: number, changes: Partial<UserSettings>): Promise<UserRow> {
  const { password, full_name: fullName, is_active: isActive, ...rest } = changes;
  // Before anything is locked: it takes its time.
  const passwordHash = password === undefined ? undefined : await hashPassword(ctx, password);
  const em = await ctx.entities.fork();
  const change = em.transactional(async (tx) => {
    // All of them, in one order: of two that demote each other, one finds himself the last.
    const admins = await tx.find(User, { role: "admin", isActive: true }, { ...locked, orderBy: { id: "asc" } });
    const user = await tx.findOne(User, { id }, locked);
    if (!user) throw userNotFound();
    const endsTokens = passwordHash !== undefined || (isActive === false && user.isActive);
    tx.assign(user, {
      ...rest,
      ...(fullName !== undefined && { fullName }),
      ...(isActive !== undefined && { isActive }),
      ...(passwordHash !== undefined && { passwordHash }),
      ...(endsTokens && { tokenVersion: user.tokenVersion + 1 }),
      updatedAt: ctx.clock.now(),
    });
    if (password !== undefined) refuseUserName("password", password, user.username);
    if (!admins.some((admin) => admin.role === "admin" && admin.isActive) && admins.length > 0) throw lastAdmin();
    return user;
  });
  return await unique(() => change);
}
const locked = { lockMode: LockMode.PESSIMISTIC_WRITE } as const;

/** A password that is the user's name is the first to be tried. */
export function refuseUserName(field: string, password: string, username: string): void {
  if (password.toLowerCase() === username.toLowerCase()) throw invalid({ field, message: "must not be the user name" });
}

async function unique<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw taken(error.message.includes("users_email") ? "email" : "username", "is another user's");
  }
}
