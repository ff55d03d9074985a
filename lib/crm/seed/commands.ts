/** `fn seed`: a database to try things on. */
import { defineCommand, type CommandDef } from "citty";
import type { HouseTools } from "../../../runtime/house.ts";
import { problems } from "../../../runtime/problem.ts";
import { seedCrm } from "./seed.ts";

export function seedCommands(tools: HouseTools): CommandDef {
  const crm = defineCommand({
    meta: {
      name: "crm",
      description:
        "Fill the CRM with an invented hotel: members, tags, stays, templates, campaigns, auto responses, messages",
    },
    args: {
      members: { type: "string", description: "How many members", default: "1000" },
      seed: { type: "string", description: "A number: the same one makes the same people", default: "1" },
      force: { type: "boolean", description: "Also where there are members already" },
      json: { type: "boolean", description: "Print JSON for scripts" },
    },
    async run({ args }) {
      const members = whole("members", args.members, 10_000_000);
      const seed = whole("seed", args.seed, 1_000_000);
      const tell = (line: string) => void process.stderr.write(`  ${line}\n`);
      const force = args.force === true;
      const seeded = await tools.withContext((ctx) => seedCrm(ctx, { members, seed, force, tell }));
      const told = Object.entries(seeded).map(([what, count]) => `${count.toLocaleString("en")} ${what}`);
      process.stdout.write(args.json ? `${JSON.stringify(seeded)}\n` : `${told.join(", ")}\n`);
    },
  });
  return defineCommand({
    meta: { name: "seed", description: "Fill a database with invented data" },
    subCommands: { crm },
  });
}

function whole(name: string, text: string, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw problems.invalidRequest({ message: `--${name} must be a whole number from 1 to ${most}` });
}
