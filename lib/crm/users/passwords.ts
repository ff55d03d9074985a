/** Passwords of the CRM's users: what they must be, and their bcrypt hashes. */
import bcrypt from "bcrypt";
import { Type } from "typebox";
import type { Context } from "../../../runtime/context.ts";
import { problems } from "../../../runtime/problem.ts";

const leastBytes = 8;
/** bcrypt reads no further. */
const mostBytes = 72;
/** 2^12 rounds: some 0.2 s of a core. */
const cost = 12;
/** Of no password that anybody has: what an unknown user's is compared with, so that it takes as long as a known one's. */
const nobodys = "$2b$12$AbSk2om9K9oXUbt.IyqF1OHzsXlplUCt7Y3MByxuEg7RjqgbSCnJG";
/** How long a hash may wait for its turn, in milliseconds. */
const turnMs = 20_000;

const fault = (password: string) => {
  const bytes = Buffer.byteLength(canonical(password));
  if (bytes < leastBytes) return `must be at least ${leastBytes} bytes long`;
  return bytes > mostBytes ? `must be at most ${mostBytes} bytes long in UTF-8: bcrypt reads no further` : "";
};

/** A new password. */
export const NewPassword = Type.Refine(
  Type.String({ maxLength: 200, description: `${leastBytes} to ${mostBytes} bytes, and not the user name` }),
  (password) => fault(password) === "",
  fault,
);

/** A password that is to be checked: whatever somebody types. */
export const GivenPassword = Type.String({ minLength: 1, maxLength: 200 });

type Hashing = Pick<Context, "passwordTurns" | "signal">;

export async function hashPassword(ctx: Hashing, password: string): Promise<string> {
  return await inTurn(ctx, () => bcrypt.hash(canonical(password), cost));
}

/** Whether it is the password of the hash; without a hash it takes as long, and is not. */
export async function isPassword(ctx: Hashing, password: string, hash: string | undefined): Promise<boolean> {
  const text = canonical(password);
  const matches = await inTurn(ctx, () => bcrypt.compare(text, hash ?? nobodys));
  // What bcrypt has not read is not part of the password.
  return matches && hash !== undefined && Buffer.byteLength(text) <= mostBytes;
}

/** The same characters are the same password, however a keyboard composes them (NIST SP 800-63B, 3.1.1.2). */
function canonical(password: string): string {
  return password.normalize("NFKC");
}

/** Few at once: they share their threads with the files and names that all other calls wait for. */
async function inTurn<T>({ passwordTurns, signal }: Hashing, work: () => Promise<T>): Promise<T> {
  using turn = await passwordTurns.take(1, { withinMs: turnMs, signal });
  if (!turn) throw problems.overloaded({ message: "Too many sign in at once; try again shortly", headers: retrySoon });
  return await work();
}
const retrySoon = { "retry-after": "5" };
