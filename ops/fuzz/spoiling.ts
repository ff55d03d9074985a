/** Values that spite their schema. */
import type { Random } from "../harness/random.ts";

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
  if (dice === 1)
    return Array.from({ length: random.percent(10) ? 1001 : random.between(2, 120) }, () => value[0] ?? null);
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

/** More text, or more values, than there is memory for, or nearly. */
export function huge(value: unknown, random: Random): string {
  const size = random.between(2 ** 18, 2 ** 24);
  const piece = random.pick(["x", "字", "字x", "<", "\\"]);
  const much = random.pick<unknown>([
    piece.repeat(size / piece.length),
    Array.from({ length: size / 16 }, () => random.pick(nastyValues)),
    Array.from({ length: 1000 }, () => piece.repeat(size / 1000)),
    Object.fromEntries(Array.from({ length: size / 32 }, (_, index) => [`${index}`, 0])),
  ]);
  const name = random.pick(["body", "html", "metadata", "to", "mails", "content", "name", "attachments"]);
  return JSON.stringify(typeof value === "object" && value !== null ? { ...value, [name]: much } : much);
}
