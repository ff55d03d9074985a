/** Senders and recipients: who is meant, and who gets it. */
import { join, mail, part, word, type Bytes, type Case } from "./case.ts";
import { big5Name } from "./samples.ts";

/** A case of what the From header's value becomes. */
function from(name: string, value: Bytes, address: string, display?: string): Case {
  return {
    name: `From: ${name}`,
    raw: mail([join("From: ", value)], "Hello"),
    answer: 250,
    expect: { from: { address, ...(display !== undefined && { name: display }) }, text: "Hello" },
  };
}

function refused(name: string, ...values: readonly Bytes[]): Case {
  const raw = mail(
    values.map((value) => join("From: ", value)),
    "Hello",
  );
  return { name: `From: ${name}`, raw, answer: 554 };
}

const ward = "ward7@example.net";

const senders: readonly Case[] = [
  from("an address only", ward, ward),
  from("in angle brackets only", `<${ward}>`, ward),
  from("a name without quotes", `Ward 7 <${ward}>`, ward, "Ward 7"),
  from("a name with a comma, without quotes", `Lee, Ann <${ward}>`, ward, "Lee, Ann"),
  from("a name with quotes in quotes", `"Ann \\"The Boss\\" Lee" <${ward}>`, ward, 'Ann "The Boss" Lee'),
  from("a name with another address in it", `"boss@example.com" <${ward}>`, ward, "boss@example.com"),
  from("a name as a comment", `${ward} (Ward 7)`, ward, "Ward 7"),
  from("no blank before the bracket", `Ward<${ward}>`, ward, "Ward"),
  from("an empty name", `"" <${ward}>`, ward),
  from("folded in odd places", `"Ward\r\n 7"\r\n\t<${ward}>`, ward, "Ward 7"),
  from("a name in words", `${word("七樓病房")} <${ward}>`, ward, "七樓病房"),
  from("a name in words, in quotes", `"${word("七樓病房")}" <${ward}>`, ward, "七樓病房"),
  from("a name with a comma in a word", `=?utf-8?Q?Lee=2C_Ann?= <${ward}>`, ward, "Lee, Ann"),
  from("a name cut inside a character", `=?utf-8?B?5LiD5g==?= =?utf-8?B?qJM=?= <${ward}>`, ward, "七樓"),
  from("a name in UTF-8 as it is", `七樓病房 <${ward}>`, ward, "七樓病房"),
  from("a name in Big5 as it is", join(big5Name.bytes, ` <${ward}>`), ward, big5Name.text),
  from("a name in Big5 in quotes, a backslash its last byte", join('"', big5Name.bytes, `" <${ward}>`), ward, "許功蓋"),
  from("a name in Big5, encoded", `${word(big5Name.bytes, "big5")} <${ward}>`, ward, big5Name.text),
  from(
    "a name with line ends in a word",
    `${word("Ward\r\nBcc: x@example.com")} <${ward}>`,
    ward,
    "Ward Bcc: x@example.com",
  ),
  from("a domain in upper case", "Ward7@EXAMPLE.NET", "Ward7@example.net"),
  from("an international domain", "info@例え.jp", "info@xn--r8jz45g.jp"),
  from("an international domain, written in ASCII", "Info <info@xn--r8jz45g.jp>", "info@xn--r8jz45g.jp", "Info"),
  from(
    "signs that are allowed",
    "o'brien+a=b/c{d}|e!#$%&*?^_`~@example.net",
    "o'brien+a=b/c{d}|e!#$%&*?^_`~@example.net",
  ),
  from("a name and its address in one word", word(`Ward 7 <${ward}>`), ward, "Ward 7"),
  from("several, the first counts", `Ward 7 <${ward}>, bob@example.net`, ward, "Ward 7"),
  from("an address in quotes only", `"${ward}"`, ward),
  from("a group with an address in it", `Wards: ${ward};`, ward),
  {
    name: "no From header",
    raw: part(["To: ann@example.org", "Subject: A mail"], "Hello"),
    from: "envelope@example.net",
    answer: 250,
    expect: { from: { address: "envelope@example.net" }, text: "Hello" },
  },
  {
    name: "a From header, and the null sender",
    raw: mail(["From: Mailer <mailer@example.net>"], "Hello"),
    from: "",
    answer: 250,
    expect: { from: { address: "mailer@example.net", name: "Mailer" }, text: "Hello" },
  },
  { name: "no From header, and the null sender", raw: part(["Subject: A mail"], "Hello"), from: "", answer: 554 },
  { name: "nothing at all from the null sender", raw: Buffer.alloc(0), from: "", answer: 554 },
];

const unusable: readonly Case[] = [
  refused("empty", ""),
  refused("white space", " \r\n\t"),
  refused("empty angle brackets", "<>"),
  refused("a name only", "undisclosed"),
  refused("a group of nobody", "undisclosed-recipients:;"),
  refused("two headers", ward, ward),
  refused("two headers, of different senders", ward, "boss@example.com"),
  refused("an @ in quotes before the @", '"a@x"@example.net'),
  refused("a quoted name before the @", '"ward 7"@example.net'),
  refused("two @", "a@b@example.net"),
  refused("no name before the @", "@example.net"),
  refused("no domain", "ward7@"),
  refused("a domain of one label", "root@localhost"),
  refused("a host's address", "ward7@[127.0.0.1]"),
  refused("a number for a domain", "ward7@127.0.0.1"),
  refused("dots in a row", "ward..7@example.net"),
  refused("a dot before the @", "ward7.@example.net"),
  refused("a dot after the domain", "ward7@example.net."),
  refused("an international name before the @", "病房@example.net"),
  refused("an address only inside a word", word("boss@example.com")),
];

const two = ["ann@example.org", "bob@example.org"];

const recipients: readonly Case[] = [
  {
    name: "recipients of which the headers name some, in other cases, and others as well",
    raw: mail(["To: Ann <ANN@Example.ORG>, eve@example.com", "Cc: BOB@example.org", "Bcc: eve@example.com"], "Hello"),
    to: [...two, "carl@example.org"],
    answer: 250,
    expect: { to: ["ann@example.org"], cc: ["bob@example.org"], bcc: ["carl@example.org"] },
  },
  {
    name: "recipients that are named in To, Cc and Bcc",
    raw: mail(["To: ann@example.org, ann@example.org", "Cc: ann@example.org, bob@example.org", "Bcc: bob@example.org"]),
    to: two,
    answer: 250,
    expect: { to: ["ann@example.org"], cc: ["bob@example.org"], bcc: [] },
  },
  {
    name: "no To header",
    raw: part(["From: sender@example.net", "Subject: A mail"], "Hello"),
    to: two,
    answer: 250,
    expect: { to: [], cc: [], bcc: two },
  },
  {
    name: "undisclosed recipients",
    raw: mail(["To: undisclosed-recipients:;", "Cc: "], "Hello"),
    to: two,
    answer: 250,
    expect: { to: [], cc: [], bcc: two },
  },
  {
    name: "recipients in a group",
    raw: mail(["To: Wards: Ann <ann@example.org>, bob@example.org;"], "Hello"),
    to: two,
    answer: 250,
    expect: { to: two, cc: [], bcc: [] },
  },
  {
    name: "recipients between semicolons, commas and rubbish",
    raw: mail(["To: ,, ;ann@example.org; nobody, <>, <bob@example.org>,,", 'Cc: "', "Cc: (((", "Cc: <<<"], "Hello"),
    to: two,
    answer: 250,
    expect: { to: two, cc: [], bcc: [] },
  },
  {
    name: "a recipient whose domain the header writes in Unicode",
    raw: mail(["To: info@例え.jp"], "Hello"),
    to: ["info@xn--r8jz45g.jp"],
    answer: 250,
    expect: { to: ["info@xn--r8jz45g.jp"], cc: [], bcc: [] },
  },
  {
    name: "a To header of 5,000 addresses",
    raw: mail([
      `To: ${Array.from({ length: 5000 }, (_, index) => `"U, ${index}" <u${index}@example.com>`).join(",\r\n ")}`,
    ]),
    to: ["u0@example.com", "u4999@example.com", "ann@example.org"],
    answer: 250,
    expect: { to: ["u0@example.com", "u4999@example.com"], cc: [], bcc: ["ann@example.org"] },
  },
  {
    name: "a recipient that only a name mentions",
    raw: mail(['To: "ann@example.org" <bob@example.org>'], "Hello"),
    to: two,
    answer: 250,
    expect: { to: ["bob@example.org"], cc: [], bcc: ["ann@example.org"] },
  },
];

export const addresses: readonly Case[] = [...senders, ...unusable, ...recipients];
