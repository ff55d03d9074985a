/** `fn token`: tokens from the command line, the first admin's above all. */
import { defineCommand, type CommandDef } from "citty";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import type { HouseTools } from "../../runtime/house.ts";
import { problems } from "../../runtime/problem.ts";
import { pageOf, Paging } from "../paging.ts";
import { parsePermission, permissions, type Permission } from "./permissions.ts";
import { tokenInfo } from "./token-info.ts";
import { ClientName, createToken, Department, listTokens, Quota, revokeToken } from "./tokens.ts";

const json = { type: "boolean", description: "Print JSON for scripts" } as const;

export function tokenCommands(tools: HouseTools): CommandDef {
  const create = defineCommand({
    meta: { name: "create", description: "Issue a token: fn token create --name Sales --permissions mail:send" },
    args: {
      name: { type: "string", description: "Name of the client system", required: true },
      permissions: { type: "string", description: `Comma-separated: ${permissions.join(", ")}`, required: true },
      department: { type: "string", description: "Its department" },
      "quota-requests": {
        type: "string",
        description: "Requests per minute, in place of its department's; 0: no limit",
      },
      "quota-mails": { type: "string", description: "Mails per hour, in place of the system's limit; 0: no limit" },
      json,
    },
    async run({ args }) {
      const requests = args["quota-requests"];
      const mails = args["quota-mails"];
      const request = {
        clientName: checked("--name", ClientName, args.name),
        department: args.department && checked("--department", Department, args.department),
        permissions: args.permissions.split(",").map(permissionOf),
        quota: {
          ...(requests !== undefined && {
            requests_per_minute: checked("--quota-requests", Quota.properties.requests_per_minute, numeric(requests)),
          }),
          ...(mails !== undefined && {
            mails_per_hour: checked("--quota-mails", Quota.properties.mails_per_hour, numeric(mails)),
          }),
        },
      };
      const { token, clientId, createdAt } = await tools.withContext((ctx) => createToken(ctx, request));
      if (args.json) {
        print(JSON.stringify({ token, client_id: clientId, created_at: createdAt.toISOString() }));
      } else {
        print(token);
        process.stderr.write(`Client ${clientId}. Keep the token: it is not shown again.\n`);
      }
    },
  });

  const list = defineCommand({
    meta: { name: "list", description: "Show tokens, newest first" },
    args: {
      page: { type: "string", description: "From 1", default: "1" },
      limit: { type: "string", description: "Tokens per page, at most 100", default: "20" },
      json,
    },
    async run({ args }) {
      const page = pageOf({
        page: checked("--page", Paging.properties.page, numeric(args.page)),
        limit: checked("--limit", Paging.properties.limit, numeric(args.limit)),
      });
      const { total, tokens } = await tools.withContext((ctx) => listTokens(ctx, page));
      if (args.json) {
        print(JSON.stringify({ total, page: page.page, limit: page.limit, data: tokens.map(tokenInfo) }));
        return;
      }
      const rows = tokens.map(tokenInfo).map((token) => ({
        ...token,
        permissions: token.permissions.join(","),
        state: token.revoked_at === null ? "active" : `revoked ${token.revoked_at}`,
      }));
      const columns = ["client_id", "client_name", "department", "permissions", "created_at", "state"] as const;
      process.stdout.write(tools.table(rows, columns));
      if (tokens.length < total) process.stderr.write(`${tokens.length} of ${total}. More: --page, --limit.\n`);
    },
  });

  const revoke = defineCommand({
    meta: { name: "revoke", description: "End a token for good: fn token revoke client_1a2b3c4d" },
    args: {
      id: { type: "positional", description: "The client's id, or the token's", required: true },
      json,
    },
    async run({ args }) {
      await tools.withContext((ctx) => revokeToken(ctx, args.id));
      print(args.json ? JSON.stringify({ revoked: args.id }) : `Revoked ${args.id}: no container lets it in any more.`);
    },
  });

  return defineCommand({
    meta: { name: "token", description: "Issue, show and revoke tokens" },
    subCommands: { create, list, revoke },
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function permissionOf(text: string): Permission {
  const permission = parsePermission(text);
  if (permission) return permission;
  throw problems.invalidRequest({ message: `--permissions: "${text}" is none of ${permissions.join(", ")}` });
}

/** Throws a sentence for the operator when an option is not what its schema takes. */
function checked<T>(option: string, schema: TSchema, value: T): T {
  const [fault] = Value.Errors(schema, value);
  if (fault) throw problems.invalidRequest({ message: `${option} ${fault.message}` });
  return value;
}

/** What is no number stays NaN, which no schema takes. */
function numeric(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : NaN;
}
