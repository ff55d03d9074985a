/** `fn`, the command line. */
import { runCommand, renderUsage, type CommandDef } from "citty";
import { stripVTControlCharacters, styleText } from "node:util";
import { ConfigFaults, OperatorError } from "../house.ts";
import { Problem, problems } from "../problem.ts";
import { FunctionFaults } from "../runtime.ts";
import { commands } from "./commands.ts";
import { openSession } from "./session.ts";
import { saveMemory } from "./thrift.ts";

/** sysexits.h: the command was used wrongly; the configuration is wrong. */
const exitUsage = 64;
const exitConfig = 78;

/** Runs what the arguments ask for. Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  saveMemory();
  let root: CommandDef;
  try {
    root = commands(await openSession(process.cwd()));
  } catch (error) {
    return explain(error);
  }
  const [first] = args;
  if (first === undefined || first === "help" || first === "--help" || first === "-h") {
    await usage(root);
    return first === undefined ? exitUsage : 0;
  }
  if (args.includes("--help") || args.includes("-h")) {
    const command = await subCommand(root, first);
    const nested = command && (await subCommand(command, args[1] ?? ""));
    await usage(nested ?? command ?? root, nested ? command : root);
    return 0;
  }
  try {
    await runCommand(root, { rawArgs: [...args] });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return explain(error);
  }
}

/** Ours are values, and those of the house functions that load one. */
async function subCommand(command: CommandDef, name: string): Promise<CommandDef | undefined> {
  const all = command.subCommands as Record<string, CommandDef | (() => Promise<CommandDef>)> | undefined;
  const found = all?.[name];
  return typeof found === "function" ? await found() : found;
}

/** citty colours its pages whatever reads them. */
async function usage(command: CommandDef, parent?: CommandDef): Promise<void> {
  const page = await renderUsage(command, parent);
  process.stdout.write(`${process.stdout.isTTY ? page : stripVTControlCharacters(page)}\n`);
}

/** Tells what went wrong in as few words as a person needs, and returns the exit code. */
function explain(error: unknown): number {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  if (error instanceof ConfigFaults) {
    say(`${styleText("red", "The configuration is wrong:")}`);
    for (const { variable, message } of error.faults) say(`  ${styleText("bold", variable)} ${message}`);
    return exitConfig;
  }
  if (error instanceof FunctionFaults) {
    say(`${styleText("red", `${error.faults.length} fault${error.faults.length > 1 ? "s" : ""} in functions:`)}`);
    for (const { file, message } of error.faults) say(`  ${styleText("bold", file)} ${message}`);
    return 1;
  }
  if (error instanceof OperatorError || error instanceof Problem) {
    say(`${styleText("red", "error")} ${error.message}`);
    if (error instanceof OperatorError) return error.exitCode;
    return error.code === problems.invalidRequest.code ? exitUsage : 1;
  }
  if (error instanceof Error && error.name === "CLIError") {
    say(`${error.message}\nTry: fn --help`);
    return exitUsage;
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}
