/** Signing in: a password for a token that holds an hour. */
import type { Context } from "../../../runtime/context.ts";
import { refusedBy } from "../../rate-limited.ts";
import type { Role } from "../values.ts";
import { signToken, type CrmUser } from "../access.ts";
import { invalid, invalidToken, wrongCredentials } from "../problems.ts";
import { hashPassword, isPassword } from "./passwords.ts";
import { refuseUserName } from "./users.ts";

const perUser = { name: "crm_sign_ins", points: 5, seconds: 60 };
const perAddress = { name: "crm_sign_ins_of_address", points: 20, seconds: 60 };

export interface SignedIn {
  token: string;
  user: { id: number; username: string; fullName: string | null; role: Role };
}

type SigningIn = Pick<Context, "db" | "signingKey" | "clock" | "rateLimits" | "passwordTurns" | "signal">;

interface UserRow {
  id: number;
  username: string;
  full_name: string | null;
  role: Role;
  is_active: boolean;
  token_version: number;
  password_hash: string;
}
const columns = "id::float8, username, full_name, role, is_active, token_version, password_hash";

/**
 * By user name or e-mail, in any case. Throws `rate_limited`; `wrong_credentials` for whatever is wrong: who is unknown,
 * who has been deactivated and who mistyped are answered alike, and after the same time.
 */
export async function signIn(
  ctx: SigningIn,
  { username, password, ip }: { username: string; password: string; ip: string | undefined },
): Promise<SignedIn> {
  const name = username.trim().toLowerCase();
  await admit(ctx, name, ip ?? "unknown");
  const { rows } = await ctx.db.query<UserRow>(
    `SELECT ${columns} FROM users WHERE lower(username) = $1 OR lower(email) = $1`,
    [name],
  );
  const [user] = rows;
  const matches = await isPassword(ctx, password, user?.password_hash);
  if (!user || !matches || !user.is_active) throw wrongCredentials();
  await ctx.db.query("UPDATE users SET last_login_at = $2 WHERE id = $1", [user.id, ctx.clock.now()]);
  return signed(ctx, user);
}

/** A fresh hour for whoever is signed in. */
export async function refresh(ctx: SigningIn, { userId }: CrmUser): Promise<SignedIn> {
  return signed(ctx, await byId(ctx, userId));
}

/**
 * Ends all tokens of the user, the caller's own too. Throws `invalid_request` when the current password is not that, or
 * the new one will not do; `rate_limited`, because whoever has found a token open could try passwords here.
 */
export async function changeOwnPassword(
  ctx: SigningIn,
  { userId }: CrmUser,
  { current, wanted }: { current: string; wanted: string },
): Promise<void> {
  const verdict = await ctx.rateLimits.take(perUser, `user:${userId}`);
  if (!verdict.passed) throw tooMany(perUser, verdict);
  const user = await byId(ctx, userId);
  if (!(await isPassword(ctx, current, user.password_hash))) {
    throw invalid({ field: "current_password", message: "is not your password" });
  }
  if (wanted === current) throw invalid({ field: "new_password", message: "must be another one" });
  refuseUserName("new_password", wanted, user.username);
  const hash = await hashPassword(ctx, wanted);
  const { rowCount } = await ctx.db.query(
    `UPDATE users SET password_hash = $3, token_version = token_version + 1, updated_at = $4
     WHERE id = $1 AND token_version = $2`,
    [userId, user.token_version, hash, ctx.clock.now()],
  );
  // Somebody else has changed it meanwhile, or ended the user's tokens.
  if (rowCount === 0) throw invalidToken();
}

async function byId({ db }: SigningIn, id: number): Promise<UserRow> {
  const { rows } = await db.query<UserRow>(`SELECT ${columns} FROM users WHERE id = $1 AND is_active`, [id]);
  const [user] = rows;
  if (!user) throw invalidToken();
  return user;
}

function signed(ctx: SigningIn, { id, username, full_name, role, token_version }: UserRow): SignedIn {
  const token = signToken(ctx, { userId: id, username, role, tokenVersion: token_version });
  return { token, user: { id, username, fullName: full_name, role } };
}

/** What is refused counts for neither limit. */
async function admit({ rateLimits }: SigningIn, username: string, ip: string): Promise<void> {
  const ofAddress = await rateLimits.take(perAddress, ip);
  if (!ofAddress.passed) throw tooMany(perAddress, ofAddress);
  const ofUser = await rateLimits.take(perUser, `${ip} ${username}`);
  if (ofUser.passed) return;
  if (ofAddress.counted) rateLimits.giveBack(perAddress, ip);
  throw tooMany(perUser, ofUser);
}

function tooMany(limit: typeof perUser, verdict: { remaining: number; waitMs: number }) {
  return refusedBy({ limit, verdict, message: `At most ${limit.points} tries to sign in a minute; try again later` });
}
