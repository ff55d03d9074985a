/** Subjects: encoded words as they should not be, and bytes that are none (RFC 2047). */
import { crlf, join, mail, word, type Bytes, type Case } from "./case.ts";
import { big5Name, big5Subject, emoji, gb18030, iso2022Jp, windows1252 } from "./samples.ts";

/** A case of what a Subject's value becomes. */
function becomes(name: string, value: Bytes, subject?: string): Case {
  const raw = mail([join("Subject: ", value)], "Hello");
  return { name: `a Subject ${name}`, raw, answer: 250, expect: { text: "Hello", ...(subject && { subject }) } };
}

const ward = Buffer.from("七樓病房");

export const subjects: readonly Case[] = [
  becomes("in UTF-8 as it is", "七樓病房已備妥", "七樓病房已備妥"),
  becomes("in UTF-8 as it is, with the last byte A0", "東方明珠", "東方明珠"),
  becomes("in Big5 as it is", big5Subject.bytes, big5Subject.text),
  becomes("in Big5 as it is, folded", join("Re:\r\n ", big5Name.bytes, "\r\n\t12"), `Re: ${big5Name.text} 12`),
  becomes("in Big5, encoded", word(big5Subject.bytes, "big5"), big5Subject.text),
  becomes("in Big5, encoded by Q", word(big5Name.bytes, "BIG5", "Q"), big5Name.text),
  becomes("in Big5 that says it is UTF-8", word(big5Subject.bytes, "utf-8"), big5Subject.text),
  becomes("in Big5 that says it is ASCII", word(big5Subject.bytes, "us-ascii", "Q"), big5Subject.text),
  becomes("in GB18030, encoded", word(gb18030.bytes, "GB18030"), gb18030.text),
  becomes("in ISO-2022-JP, encoded", word(iso2022Jp.bytes, "iso-2022-jp"), iso2022Jp.text),
  becomes("in windows-1252, encoded", word(windows1252.bytes, "Windows-1252", "Q"), windows1252.text),
  becomes("with emoji as they are", emoji, emoji),
  becomes("with emoji, encoded", word(emoji), emoji),
  becomes(
    "cut inside a character of three bytes",
    `${word(ward.subarray(0, 4))} ${word(ward.subarray(4))}`,
    "七樓病房",
  ),
  becomes(
    "cut inside a character of Big5, and folded",
    `${word(big5Subject.bytes.subarray(0, 5), "big5")}${crlf} ${word(big5Subject.bytes.subarray(5), "Big5")}`,
    big5Subject.text,
  ),
  becomes(
    "cut inside an emoji, by Q",
    `${word(Buffer.from("🏥").subarray(0, 2), "utf-8", "Q")}\r\n\t${word(Buffer.from("🏥").subarray(2), "UTF-8", "Q")}`,
    "🏥",
  ),
  becomes(
    "of words in three charsets",
    `${word("七樓")} ${word(big5Name.bytes, "big5")} ${word("!", "x")}`,
    "七樓許功蓋!",
  ),
  becomes("of words with nothing between them", `${word("七樓")}${word("病房")}`, "七樓病房"),
  becomes("with words inside words", `A${word("七樓")}B`, "A七樓B"),
  becomes("in quotes", `"${word("七樓病房")}"`, '"七樓病房"'),
  becomes("by Q, with underscores and blanks", "=?utf-8?q?Room_12 is=20free?=", "Room 12 is free"),
  becomes("by Q, with lower-case and invalid escapes", "=?utf-8?Q?=e4=b8=83_100=_=ZZ=?=", "七 100= =ZZ="),
  becomes("by B, without padding", "=?utf-8?B?5LiD5qiT5aaC?= =?utf-8?b?YQ?=", "七樓如a"),
  becomes("by B, with blanks inside", "=?utf-8?B?5LiD 5qiT?=", "七樓"),
  becomes("with a language (RFC 2231)", `=?utf-8*zh-TW?B?${Buffer.from("七樓").toString("base64")}?=`, "七樓"),
  becomes("in a charset that nobody knows", word("七樓病房", "x-hospital"), "七樓病房"),
  becomes("in an encoding that nobody knows", "=?utf-8?X?5LiD5qiT?=", "=?utf-8?X?5LiD5qiT?="),
  becomes("with a word that does not end", "=?utf-8?B?5LiD5qiT", "=?utf-8?B?5LiD5qiT"),
  becomes("with a word that ends too early", "=?utf-8?Q?Really??=", "=?utf-8?Q?Really??="),
  becomes("of an empty word", "=?utf-8?B??=", "(no subject)"),
  becomes("of nothing", "", "(no subject)"),
  becomes("of white space", " \t \r\n  \t", "(no subject)"),
  becomes("that would be a header", word("Hi\r\nBcc: evil@example.com"), "Hi Bcc: evil@example.com"),
  becomes("that would be a body", word("Hi\r\n\r\n<b>evil</b>"), "Hi <b>evil</b>"),
  becomes("that would be headers by Q", "=?utf-8?Q?Hi=0D=0ABcc:_evil@example.com=0D=0A?=", "Hi Bcc: evil@example.com"),
  becomes("with NUL and a tab in a word", "=?utf-8?Q?Room=00=0912=1B?= free", "Room 12 free"),
  becomes("of 1,200 characters in words", Array(120).fill(word("七樓病房已備妥請入住")).join(`${crlf} `), cut()),
  // Half of a character must not be stored; what becomes of it is not said.
  becomes("of 1,200 emoji, cut inside one", `x${"🏥".repeat(1200)}`),
  becomes("with half of a surrogate pair", word(Buffer.from([0x41, 0, 0x3d, 0xd8, 0x42, 0]), "utf-16le")),
];

function cut(): string {
  return "七樓病房已備妥請入住".repeat(120).slice(0, 998);
}
