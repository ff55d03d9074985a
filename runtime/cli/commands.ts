/** The commands that belong to the runtime; the house adds its own. */
import { defineCommand, type CommandDef } from "citty";
import type { Resources } from "../context.ts";
import { Metrics } from "../host/metrics.ts";
import type { Opening } from "../house.ts";
import { listFunctions } from "../runtime.ts";
import { invoke } from "./invoke.ts";
import { createFunction, kinds } from "./new.ts";
import { serve } from "./serve.ts";
import { houseLog, houseTools, type Session } from "./session.ts";
import { table } from "./table.ts";

const json = { type: "boolean", description: "Print JSON for scripts" } as const;

const functionName = { type: "positional", description: "Its name, or the end of it", required: true } as const;

/** Of every command that takes a step with a function. */
const steps = {
  "dry-run": { type: "boolean", description: "Say what would change, and change nothing" },
  reason: { type: "string", description: "Written down with the step" },
  json,
} as const;

/** Builds the command tree for a project. */
export function commands(session: Session): CommandDef {
  const { root, house } = session;
  return defineCommand({
    meta: { name: "fn", version: house.version, description: `${house.title}: run, look at and extend its functions` },
    subCommands: {
      start: defineCommand({
        meta: { description: "Run the system until SIGTERM" },
        run: () => serve(session, { dev: false }),
      }),
      dev: defineCommand({
        meta: { description: "Run the system and swap functions when their files are saved" },
        run: () => serve(session, { dev: true }),
      }),
      list: defineCommand({
        meta: { description: "Show every function: trigger, address, access, limits" },
        args: { json },
        async run({ args }) {
          const config = house.readConfig(process.env);
          const { rows, faults } = await listFunctions(root, { config } as Resources);
          if (args.json) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
          else process.stdout.write(table(rows, ["function", "trigger", "where", "access", "limits"]));
          for (const { file, message } of faults) process.stderr.write(`${file}: ${message}\n`);
          if (faults.length > 0) process.exitCode = 1;
        },
      }),
      new: defineCommand({
        meta: { description: "Write a new function and its test: fn new http crm/hello" },
        args: {
          kind: { type: "positional", description: kinds.join(", "), required: true },
          name: { type: "positional", description: "Its path under functions/, such as crm/hello", required: true },
        },
        run: ({ args }) => createFunction(root, args.kind, args.name),
      }),
      invoke: defineCommand({
        meta: { description: "Run one function once: fn invoke mail/send --data @mail.json" },
        args: {
          name: { type: "positional", description: "The function's name, as in fn list", required: true },
          data: { type: "string", description: "JSON body or message; @file reads a file, @- standard input" },
          param: { type: "string", description: "Path and query parameters: id=42&page=2" },
          token: { type: "string", description: "Bearer token. Default: the first admin token, when it is kept here" },
          json,
        },
        run: ({ args }) => invoke(session, args),
      }),
      migrate: defineCommand({
        meta: { description: "Bring the database up to date" },
        args: { json },
        async run({ args }) {
          const config = house.readConfig(process.env);
          const log = houseLog(house, config, "tool");
          const owned: { close(): Promise<void> }[] = [];
          const opening: Opening = {
            log,
            metrics: new Metrics(),
            purpose: "tool",
            own: (resource) => (owned.push(resource), resource),
          };
          try {
            const applied = await house.migrate(config, opening);
            if (args.json) process.stdout.write(`${JSON.stringify({ applied })}\n`);
            else if (applied.length === 0) process.stdout.write("The database is up to date.\n");
            else process.stdout.write(`Applied: ${applied.join(", ")}\n`);
          } finally {
            for (const resource of owned.toReversed()) await resource.close();
          }
        },
      }),
      deploy: defineCommand({
        meta: { description: "Bring one function of this folder to every process that runs it: fn deploy mail/send" },
        args: {
          name: functionName,
          canary: { type: "string", description: "Give it this share of the calls only, such as 10%" },
          "all-or-nothing": { type: "boolean", description: "Change nothing anywhere unless every process takes it" },
          ...steps,
        },
        run: async ({ args }) => (await import("./deploy.ts")).deploy(session, args),
      }),
      promote: defineCommand({
        meta: { description: "Give a canary all calls" },
        args: { name: functionName, ...steps },
        run: async ({ args }) => (await import("./deploy.ts")).promote(session, args),
      }),
      rollback: defineCommand({
        meta: { description: "Take a canary, or the newest version of a function, back" },
        args: { name: functionName, ...steps },
        run: async ({ args }) => (await import("./deploy.ts")).rollback(session, args),
      }),
      versions: defineCommand({
        meta: { description: "Show what is deployed, or what was done with one function" },
        args: { name: { ...functionName, required: false }, json },
        run: async ({ args }) => (await import("./deploy.ts")).versions(session, args),
      }),
      top: defineCommand({
        meta: { description: "Watch functions, queues and processes: fn top [address …], by default of this machine" },
        args: {
          once: { type: "boolean", description: "Look once, and end" },
          json,
        },
        async run({ args }) {
          const { top } = await import("./top.ts");
          const addresses = args._.length > 0 ? args._ : [String(portOf(house.readConfig(process.env)))];
          await top({ addresses, once: args.once === true, json: args.json === true });
        },
      }),
      ...house.commands?.(houseTools(house)),
    },
  });
}

/** Where a system with this configuration tells of itself. */
function portOf(config: unknown): number {
  const port = typeof config === "object" && config !== null && "port" in config ? config.port : undefined;
  return typeof port === "number" ? port : 8080;
}
