/** Values by a JSON Schema, and values that spite it. */
import type { Random } from "../harness/random.ts";

/** As far as the API's documentation uses it. */
export interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
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
  default?: unknown;
}

const formats: Record<string, readonly [string, ...string[]]> = {
  "date-time": ["2026-11-27T10:00:00Z", "2027-02-28T23:59:60+08:00", "1970-01-01T00:00:00.000Z"],
  date: ["2026-11-27", "2024-02-29", "0001-01-01"],
  uuid: ["7b0c3c0e-7a0c-4b7e-8f3a-1f1f1f1f1f1f"],
  email: ["ann@example.org"],
};

/** Texts that have broken programs before. */
const nastyTexts = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\r\n",
  "\uD800",
  "\uFEFF",
  "\u202E",
  "𝕬𝖓𝖓",
  "許功蓋",
  "İ",
  "ﬀ",
  "0",
  "-1",
  "1e309",
  "NaN",
  "null",
  "undefined",
  "[object Object]",
  "__proto__",
  "constructor",
  "../../../../etc/passwd",
  "%00",
  "%",
  "' OR 1=1 --",
  '"; DROP TABLE mails; --',
  "${7*7}",
  "{{7*7}}",
  "<script>alert(1)</script>",
  "=1+1",
  "ann@example.org\r\nBcc: eve@example.org",
  '"a@x"@example.org',
  "a@[127.0.0.1]",
  "a".repeat(1000),
  "字".repeat(5000),
  "(".repeat(2000),
  "9".repeat(400),
] as const;

const nastyNumbers = [0, -0, -1, 1, 0.1, -0.5, 2 ** 31, 2 ** 53, 2 ** 53 + 2, -(2 ** 63), 1e21, 1e308, 5e-324] as const;

const nastyValues = [null, true, false, 0, "", [], {}, [[]], [null], { "": null }, "text", -1, 1.5] as const;

/** A value that the schema takes, as far as it says what that is. */
export function fitting(schema: Schema, random: Random, depth = 0): unknown {
  if (schema.const !== undefined) return schema.const;
  const options = schema.enum ?? schema.anyOf;
  const [first, ...more] = options ?? [];
  if (schema.enum) return random.pick([first, ...more]);
  if (schema.anyOf) return fitting(random.pick([first as Schema, ...(more as Schema[])]), random, depth);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => fitting(part, random, depth)));
  switch (schema.type) {
    case "object":
      return fittingObject(schema, random, depth);
    case "array": {
      const least = schema.minItems ?? 0;
      const most = Math.min(schema.maxItems ?? 3, least + 3);
      return Array.from({ length: random.between(least, most) }, () => fitting(schema.items ?? {}, random, depth + 1));
    }
    case "integer":
    case "number": {
      const least = schema.minimum ?? 0;
      return random.between(least, Math.min(schema.maximum ?? 1000, least + 1000));
    }
    case "boolean":
      return random.percent(50);
    case "null":
      return null;
    default:
      return fittingText(schema, random);
  }
}

function fittingObject({ properties = {}, required = [] }: Schema, random: Random, depth: number): unknown {
  const wanted = Object.entries(properties).filter(
    ([name]) => required.includes(name) || (depth < 4 && random.percent(60)),
  );
  return Object.fromEntries(wanted.map(([name, schema]) => [name, named(name, schema, random, depth)]));
}

/** Some names say more than their schema. */
function named(name: string, schema: Schema, random: Random, depth: number): unknown {
  const isText = schema.type === "string" && !schema.format && !schema.enum;
  if (isText && /^(from|sender|sender_email|email)$/.test(name)) return "shop@example.com";
  if (isText && /^recipients$/.test(name)) return "ann@example.org; bob@example.org";
  if (isText && /^(content)$/.test(name) && random.percent(70)) return "aGVsbG8=";
  if (/^(to|cc|bcc)$/.test(name) && random.percent(80)) return ["ann@example.org"];
  if (isText && name.endsWith("_url")) return "https://example.com/a.jpg";
  return fitting(schema, random, depth + 1);
}

function fittingText({ format, pattern, minLength = 0, maxLength = 40 }: Schema, random: Random): string {
  const known = format === undefined ? undefined : formats[format];
  if (known) return random.pick(known);
  if (pattern?.includes("\\d")) return "12345678";
  const length = random.between(Math.max(minLength, 1), Math.max(minLength, Math.min(maxLength, 24)));
  return Array.from({ length }, () => random.pick(["a", "b", "é", "中", "7", " ", "-"])).join("");
}

/** The value with something in it changed for the worse. */
export function spoilt(value: unknown, random: Random): unknown {
  if (random.percent(15)) return random.pick(nastyValues);
  if (Array.isArray(value)) return spoiltArray(value, random);
  if (typeof value === "object" && value !== null) return spoiltObject({ ...value }, random);
  if (typeof value === "number") return random.percent(70) ? random.pick(nastyNumbers) : random.pick(nastyValues);
  if (typeof value === "string") return spoiltText(value, random);
  return random.pick(nastyValues);
}

function spoiltArray(value: readonly unknown[], random: Random): unknown {
  const dice = random.between(0, 4);
  if (dice === 0) return [];
  if (dice === 1) return Array.from({ length: random.between(2, 1100) }, () => value[0] ?? null);
  if (dice === 2) return [...value, random.pick(nastyValues)];
  if (dice === 3) return { ...value };
  return value.map((item, index) => (index === 0 ? spoilt(item, random) : item));
}

function spoiltObject(value: Record<string, unknown>, random: Random): unknown {
  const names = Object.keys(value);
  const [first, ...rest] = names;
  if (first === undefined) return random.pick(nastyValues);
  const name = random.pick([first, ...rest]);
  const dice = random.between(0, 5);
  if (dice === 0) {
    const { [name]: _, ...others } = value;
    return others;
  }
  if (dice === 1) return { ...value, [random.pick(nastyTexts)]: random.pick(nastyValues) };
  if (dice === 2) return Object.entries(value);
  return { ...value, [name]: spoilt(value[name], random) };
}

export function spoiltText(value: string, random: Random): unknown {
  const dice = random.between(0, 4);
  if (dice === 0) return random.pick(nastyValues);
  if (dice === 1) return value + random.pick(nastyTexts);
  if (dice === 2) return value.slice(0, random.between(0, value.length));
  return random.pick(nastyTexts);
}

/** So many nested things that a parser which goes down with them comes to its end. */
export function nested(random: Random): string {
  const depth = random.between(100, 20_000);
  const [open, close] = random.pick([
    ["[", "]"],
    ['{"a":', "}"],
  ] as const);
  return open.repeat(depth) + (random.percent(50) ? `1${close.repeat(depth)}` : "");
}
