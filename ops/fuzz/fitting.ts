/** Values that a JSON Schema takes. */
import type { Random } from "../harness/random.ts";
import { kindOfField, type Known } from "./known.ts";
import { hex, patterns, texts, time, words } from "./words.ts";

/** As far as the API's documentation uses it. */
export interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema | Schema[];
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

export interface Making {
  random: Random;
  known: Known;
}

const formats: Readonly<Record<string, (random: Random) => string>> = {
  "date-time": (random) => time(random, -20, 300),
  date: (random) => time(random, -9000, 0).slice(0, 10),
  uuid: (random) => `7b0c3c0e-7a0c-4b7e-8f3a-${hex(random, 12)}`,
};

/** A value that the schema takes, as far as it says what that is; of a field with this name. */
export function fitting(schema: Schema, making: Making, name = "", depth = 0): unknown {
  const { random } = making;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[random.between(0, schema.enum.length - 1)];
  if (schema.anyOf) {
    const option = schema.anyOf[random.between(0, schema.anyOf.length - 1)] ?? {};
    // Seldom nothing, where something may be.
    const chosen = option.type === "null" && random.percent(60) ? (schema.anyOf[0] ?? {}) : option;
    return fitting(chosen, making, name, depth);
  }
  switch (schema.type) {
    case "object":
      return fittingObject(schema, making, depth);
    case "array":
      return fittingArray(schema, making, name, depth);
    case "integer":
    case "number":
      return fittingNumber(schema, making, name);
    case "boolean":
      return random.percent(50);
    case "null":
      return null;
    case "string":
      return fittingText(schema, making, name);
    default:
      return random.pick<unknown>([null, 1, "x", [], { a: 1 }]);
  }
}

function fittingObject({ properties = {}, required = [] }: Schema, making: Making, depth: number): unknown {
  const value: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(properties)) {
    if (!required.includes(name) && (depth > 3 || making.random.percent(55))) continue;
    value[name] = fitting(schema, making, name, depth + 1);
  }
  return value;
}

function fittingArray(schema: Schema, making: Making, name: string, depth: number): unknown[] {
  const { random } = making;
  const { items = {}, minItems: least = 0, maxItems = 3 } = schema;
  if (Array.isArray(items)) return items.map((item) => fitting(item, making, "", depth + 1));
  if (/^(?:to|cc|bcc)$/.test(name)) return [random.pick(["ann@example.org", "Bob <bob@example.org>"])];
  const length = random.between(least, Math.min(maxItems, least + 3));
  const values = Array.from({ length }, () => fitting(items, making, name, depth + 1));
  return [...new Set(values)];
}

/** The id of something that is there, mostly, for a field that says of what. */
function knownId(name: string, { random, known }: Making): string | number | undefined {
  const kind = kindOfField(name);
  return kind !== undefined && random.percent(85) ? known.pick(kind, random) : undefined;
}

function fittingNumber({ type, minimum: least = 0, maximum }: Schema, making: Making, name: string): number {
  const { random } = making;
  const id = knownId(name, making);
  if (typeof id === "number") return id;
  if (/^(?:page|limit|page_size|skip)$/.test(name)) return random.between(least, least + 5);
  const number = random.between(least, Math.min(maximum ?? 1000, least + 1000));
  return type === "number" && random.percent(50) ? number / 4 : number;
}

function fittingText({ format, pattern, minLength = 0, maxLength = 40 }: Schema, making: Making, name: string): string {
  const { random } = making;
  const id = knownId(name, making);
  if (id !== undefined) return String(id);
  const byName = Object.hasOwn(texts, name) ? texts[name] : undefined;
  const byFormat = format === undefined ? undefined : formats[format];
  const byPattern = pattern === undefined ? undefined : patterns.find(([form]) => form.test(pattern))?.[1];
  const known = byName ?? byPattern ?? byFormat;
  if (known) return known(random);
  const length = random.between(Math.max(minLength, 1), Math.max(minLength, Math.min(maxLength, 24)));
  let text = "";
  while (text.length < length) text += random.pick(words);
  return text.slice(0, length).toWellFormed();
}
