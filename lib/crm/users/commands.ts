/** `fn user`: the CRM's users from the command line, the first admin above all. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { defineCommand, type CommandDef } from "citty";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import type { Context } from "../../../runtime/context.ts";
import type { HouseTools } from "../../../runtime/house.ts";
import { problems } from "../../../runtime/problem.ts";
import { roles, type Role } from "../values.ts";
import { mostPerPage } from "../../paging.ts";
import { pageOf } from "../paging.ts";
import { userNotFound } from "../problems.ts";
import { newPassword } from "./first-admin.ts";
import { createUser, listUsers, updateUser, userSettings, type UserRow } from "./users.ts";

const json = { type: "boolean", description: "Print JSON for scripts" } as const;
const who = { type: "positional", description: "User name or e-mail", required: true } as const;
const password = {
  type: "string",
  description: "- reads it from standard input, or asks for it. Without it, one is made and printed",
} as const;

export function userCommands(tools: HouseTools): CommandDef {
  const create = defineCommand({
    meta: { name: "create", description: "Add a user: fn user create mei --email mei@hotel.example --role marketing" },
    args: {
      username: { type: "positional", description: "What the user signs in with, beside the e-mail", required: true },
      email: { type: "string", description: "E-mail address", required: true },
      role: { type: "string", description: roles.join(", "), required: true },
      "full-name": { type: "string", description: "Name that others see" },
      password,
      json,
    },
    async run({ args }) {
      const secret = await passwordOf(args.password);
      const fullName = args["full-name"];
      const settings = {
        username: checked("The user name", userSettings.username, args.username),
        email: checked("--email", userSettings.email, args.email),
        role: roleOf(args.role),
        password: secret.password,
        full_name: fullName === undefined ? null : checked("--full-name", userSettings.full_name, fullName),
      };
      const user = await tools.withContext((ctx) => createUser(ctx, settings));
      if (args.json) return print(JSON.stringify({ ...told(user), ...shown(secret) }));
      if (secret.isNew) print(secret.password);
      process.stderr.write(`User ${user.username} (${user.role}).${secret.isNew ? keepIt : ""}\n`);
    },
  });

  const list = defineCommand({
    meta: { name: "list", description: "Show users, oldest first" },
    args: { page: { type: "string", description: "From 1", default: "1" }, json },
    async run({ args }) {
      const number = /^[1-9]\d{0,6}$/.test(args.page) ? Number(args.page) : undefined;
      if (number === undefined) throw problems.invalidRequest({ message: "--page must be a number from 1" });
      const page = pageOf({ page: number, page_size: mostPerPage });
      const { items, total } = await tools.withContext((ctx) => listUsers(ctx, page));
      if (args.json) return print(JSON.stringify({ total, page: page.page, data: items.map(told) }));
      const columns = ["id", "username", "email", "role", "is_active", "last_login_at"] as const;
      process.stdout.write(tools.table(items.map(told), columns));
      if (items.length < total) process.stderr.write(`${items.length} of ${total}. More: --page.\n`);
    },
  });

  const setPassword = defineCommand({
    meta: { name: "password", description: "Give a user another password, and end what he is signed in with" },
    args: { user: who, password, json },
    async run({ args }) {
      const secret = await passwordOf(args.password);
      const user = await change(args.user, { password: secret.password });
      if (args.json) return print(JSON.stringify({ ...told(user), ...shown(secret) }));
      if (secret.isNew) print(secret.password);
      process.stderr.write(`User ${user.username} has a new password.${secret.isNew ? keepIt : ""}\n`);
    },
  });

  /** `fn user enable mei`, `fn user disable mei`. */
  const switchTo = (name: string, isActive: boolean, description: string) =>
    defineCommand({
      meta: { name, description },
      args: { user: who, json },
      async run({ args }) {
        const user = await change(args.user, { is_active: isActive });
        print(args.json ? JSON.stringify(told(user)) : `User ${user.username} is ${isActive ? "" : "not "}active.`);
      },
    });

  const change = (name: string, changes: { password?: string; is_active?: boolean }) =>
    tools.withContext(async (ctx) => updateUser(ctx, await idOf(ctx, name), changes));

  return defineCommand({
    meta: { name: "user", description: "Add, show and change the users of the CRM" },
    subCommands: {
      create,
      list,
      password: setPassword,
      enable: switchTo("enable", true, "Let a user sign in again"),
      disable: switchTo("disable", false, "Let a user sign in no more, and end what he is signed in with"),
    },
  });
}

const keepIt = " Keep the password: it is not shown again.";

async function idOf({ db }: Context, name: string): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    "SELECT id::float8 FROM users WHERE lower(username) = lower($1) OR lower(email) = lower($1)",
    [name],
  );
  const [user] = rows;
  if (!user) throw userNotFound({ message: `No user is called ${name}` });
  return user.id;
}

interface Secret {
  password: string;
  isNew: boolean;
}

/** Not taken from the arguments unless somebody writes it there: every process of the machine can read those. */
async function passwordOf(argument: string | undefined): Promise<Secret> {
  if (argument === undefined) return { password: newPassword(), isNew: true };
  const given = argument === "-" ? await readSecret() : argument;
  return { password: checked("The password", userSettings.password, given), isNew: false };
}

/** One line: typed unseen, or piped. */
async function readSecret(): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, "");
  process.stderr.write("Password: ");
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: unseen, terminal: true });
  try {
    return await lines.question("");
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}

function shown({ password, isNew }: Secret): { password?: string } {
  return isNew ? { password } : {};
}

function told({ id, username, email, fullName, role, isActive, lastLoginAt, createdAt }: UserRow) {
  const times = { last_login_at: lastLoginAt?.toISOString() ?? null, created_at: createdAt.toISOString() };
  return { id, username, email, full_name: fullName ?? null, role, is_active: isActive, ...times };
}

function roleOf(given: string): Role {
  const role = roles.find((name) => name === given);
  if (!role) throw problems.invalidRequest({ message: `--role: "${given}" is none of ${roles.join(", ")}` });
  return role;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Throws a sentence for the operator when something is not what its schema takes. */
function checked<T>(what: string, schema: TSchema, value: T): T {
  const [fault] = Value.Errors(schema, value);
  if (fault) throw problems.invalidRequest({ message: `${what} ${fault.message}` });
  return value;
}
