/** Texts that mean something to the system. */
import type { Random } from "../harness/random.ts";

export const words = ["王小明", "Ann", "訂房 ", "a-b", "é", " 7", "房客", "x", "Grüße ", "😀", "優惠", "0"] as const;

/** A time that is `least` to `most` days from now, as RFC 3339 has it. */
export function time(random: Random, least: number, most: number): string {
  const at = new Date(Date.now() + random.between(least * 1440, most * 1440) * 60_000).toISOString();
  return at.replace(/\.\d+Z$/, random.pick(["Z", "+08:00", ".5Z"]));
}

export function hex(random: Random, length: number): string {
  let text = "";
  while (text.length < length) text += random.between(0, 15).toString(16);
  return text;
}

/** By the name of their field: what a schema does not say of them. */
export const texts: Readonly<Record<string, (random: Random) => string>> = {
  action_url: (random) => random.pick(["https://example.com/", "tel:+886212345678", "https://example.com/a?b=c#d"]),
  bcc: () => "bob@example.org",
  cc: () => "ann@example.org",
  content: (random) => random.pick(["aGVsbG8=", "歡迎光臨", "https://example.com/a.jpg"]),
  content_type: (random) => random.pick(["text/plain", "application/pdf", "image/png"]),
  cronexpr: (random) => random.pick(["30 9 * * MON-FRI", "0 0 29 2 *", "*/5 * * * *", "59 23 31 12 7"]),
  email: (random) => `fuzz-${hex(random, 8)}@example.com`,
  end_date: (random) => time(random, -99, 1).slice(0, 10),
  filename: (random) => random.pick(["a.txt", "帳單.pdf", "../a", "a b.png"]),
  from: (random) => random.pick(["shop@example.com", "Shop <shop@example.com>", "王 <shop@example.com>"]),
  id_number: (random) => random.pick(["A123456789", "P1234567", `X${random.between(1e6, 1e7)}`]),
  image_url: (random) => `https://example.com/${hex(random, 4)}.jpg`,
  label: (random) => random.pick(["好", "立即訂房", "Book"]),
  line_picture_url: () => "https://example.com/a.jpg",
  line_uid: (random) => `U${hex(random, 32)}`,
  nextexecutetime: (random) => time(random, -2, 300).slice(0, 19).replace("T", " "),
  password: (random) => `correct horse ${hex(random, 6)}`,
  permissions: (random) => random.pick(["mail:send", "mail:read", "mail:cancel", "admin"]),
  phone: (random) => random.pick([`09${random.between(1e7, 9e7)}`, `+8869${random.between(1e7, 9e7)}`]),
  recipients: () => "ann@example.org; bob@example.org",
  scheduled_at: (random) => time(random, -1, 300),
  send_at: (random) => time(random, -1, 300),
  sender: () => "shop@example.com",
  sender_email: (random) => `fuzz-${hex(random, 6)}@corp.example`,
  smtphost: () => "127.0.0.1",
  start_date: (random) => time(random, -200, -100).slice(0, 10),
  timezone: (random) => random.pick(["Asia/Taipei", "UTC", "America/New_York"]),
};

/** By the pattern that they must match: its source is searched for these. */
export const patterns: readonly [RegExp, (random: Random) => string][] = [
  [/^\^\[\\w/, (random) => `fuzz.${hex(random, 8)}`],
  [/\[01\]\\d\|2/, (random) => random.pick(["00:00", "09:30", "23:59:59"])],
  [/sent\|opened/, (random) => random.pick(["sent", "opened,clicked", "converted"])],
  [/\\d\{1,15\}/, (random) => random.pick(["", "1", "1,2,3"])],
  [/\\d\{8\}_/, (random) => `20261127_101500_7b0c3c0e-7a0c-4b7e-8f3a-${hex(random, 12)}.jpg`],
];
