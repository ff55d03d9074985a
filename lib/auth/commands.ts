/** `fn token`: issuing tokens from the command line, the first admin's above all. */
import { defineCommand, type CommandDef } from "citty";
import type { HouseTools } from "../../runtime/house.ts";
import { Problem } from "../../runtime/problem.ts";
import { parsePermission, permissions } from "./permissions.ts";
import { createToken } from "./tokens.ts";

export function tokenCommands(tools: HouseTools): CommandDef {
  return defineCommand({
    meta: { name: "token", description: "Issue tokens" },
    subCommands: {
      create: defineCommand({
        meta: { name: "create", description: "Issue a token: fn token create --name Sales --permissions mail:send" },
        args: {
          name: { type: "string", description: "Name of the client system", required: true },
          permissions: { type: "string", description: `Comma-separated: ${permissions.join(", ")}`, required: true },
          department: { type: "string", description: "Its department" },
          json: { type: "boolean", description: "Print JSON for scripts" },
        },
        async run({ args }) {
          const parsed = args.permissions.split(",").map((text) => {
            const permission = parsePermission(text);
            if (!permission)
              throw new Problem(
                400,
                "invalid_request",
                `--permissions: "${text}" is none of ${permissions.join(", ")}`,
              );
            return permission;
          });
          const issued = await tools.withContext((ctx) =>
            createToken(ctx, { clientName: args.name, department: args.department, permissions: parsed }),
          );
          const { token, clientId: client_id, createdAt } = issued;
          const text = args.json ? JSON.stringify({ token, client_id, created_at: createdAt.toISOString() }) : token;
          process.stdout.write(`${text}\n`);
          if (!args.json) process.stderr.write(`Client ${client_id}. Keep the token: it is not shown again.\n`);
        },
      }),
    },
  });
}
