/** The environment, read once: names and defaults, what is allowed, and every fault by the name of its variable. */
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import type { Config } from "./config/config.ts";
import { fileOf, readSecretFiles } from "./config/secret-files.ts";
import { shape } from "./config/shape.ts";
import { checkTogether, type ConfigFault } from "./config/together.ts";
import { Environment, properties } from "./config/variables.ts";

export type { Config } from "./config/config.ts";
export type { ConfigFault } from "./config/together.ts";

/** Reads the environment, and files of secrets. Returns the configuration, or everything that is wrong with it. */
export function readConfig(variables: Readonly<Record<string, string | undefined>>): Config | ConfigFault[] {
  const { env, files, faults } = readSecretFiles(variables);
  const isWhole = faults.length === 0;
  const given: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries<VariableSchema>(properties)) {
    const raw = env[name]?.trim();
    given[name] = raw === undefined || raw === "" ? schema.default : coerce(schema, raw);
    if (Value.Check(schema, given[name])) continue;
    faults.push({ variable: name, message: expectation(schema) });
    given[name] = schema.default; // So that what else is wrong can be told, too.
  }
  const values = Value.Parse(Environment, given);
  // A secret that could not be read would look like one that is not set.
  if (isWhole) faults.push(...checkTogether(values));
  if (faults.length === 0) return shape(values);
  return faults.map(({ variable, message }) => ({
    variable: files.has(variable) ? fileOf(variable) : variable,
    message,
  }));
}

type VariableSchema = TSchema & { default?: unknown; description?: string };

function coerce(schema: VariableSchema, raw: string): unknown {
  const type = "type" in schema ? schema.type : undefined;
  if (type === "boolean") return { true: true, false: false }[raw.toLowerCase()] ?? raw;
  return type === "integer" && /^-?\d{1,12}$/.test(raw) ? Number(raw) : raw;
}

/** What is allowed, and not what was given: that may be a secret in the wrong variable. */
function expectation(schema: VariableSchema): string {
  if ("anyOf" in schema && Array.isArray(schema.anyOf)) {
    return `must be one of ${schema.anyOf.map((option: { const?: string }) => option.const).join(", ")}`;
  }
  if ("type" in schema && schema.type === "boolean") return "must be true or false";
  const { minimum, maximum } = schema as { minimum?: number; maximum?: number };
  const range = maximum === undefined ? `from ${minimum ?? 0} up` : `from ${minimum ?? 0} to ${maximum}`;
  return `must be a whole number ${range}`;
}
