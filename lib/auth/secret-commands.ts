/** `fn secrets`: changing the key that seals them. */
import { defineCommand, type CommandDef } from "citty";
import type { HouseTools } from "../../runtime/house.ts";
import { rotateSecrets } from "./rotate-secrets.ts";

export function secretCommands(tools: HouseTools): CommandDef {
  return defineCommand({
    meta: { name: "secrets", description: "Change the key that seals stored secrets" },
    subCommands: {
      rotate: defineCommand({
        meta: {
          name: "rotate",
          description:
            "Seal every stored secret with the first key of ENCRYPTION_KEY. Put the new key first and keep the old one behind it, in every container; run this; then drop the old one",
        },
        args: { json: { type: "boolean", description: "Print JSON for scripts" } },
        async run({ args }) {
          const { key, resealed, failed } = await tools.withContext(async (ctx) => {
            return { key: ctx.secrets.keyId, ...(await rotateSecrets(ctx)) };
          });
          if (failed.length > 0) process.exitCode = 1;
          if (args.json) {
            process.stdout.write(`${JSON.stringify({ key, resealed, failed })}\n`);
            return;
          }
          process.stdout.write(`Sealed ${resealed} ${resealed === 1 ? "secret" : "secrets"} with the key ${key}.\n`);
          for (const { table, id, reason } of failed) {
            process.stderr.write(`error ${table} ${id} stays as it is: ${reason}\n`);
          }
        },
      }),
    },
  });
}
