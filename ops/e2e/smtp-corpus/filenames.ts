/** Names of attachments: how they are written, and what must not become of them. */
import { base64, blob, join, mixed, part, percent, text, word, type Bytes, type Case } from "./case.ts";
import { big5File, big5Name, iso2022Jp } from "./samples.ts";

const content = blob(600, 3);

function attached(head: readonly Bytes[]): Buffer {
  return part([...head, "Content-Transfer-Encoding: base64"], base64(content));
}

/** A file whose name is in its disposition, as it stands after `attachment;`. */
function named(name: string, parameters: Bytes, filename: string): Case {
  return whole(
    name,
    ["Content-Type: application/x-blob", join("Content-Disposition: attachment; ", parameters)],
    filename,
  );
}

function whole(name: string, head: readonly Bytes[], filename: string): Case {
  const expect = { text: "Hello", attachments: [{ filename, content }] };
  return { name: `a file name ${name}`, raw: mixed(text("Hello"), attached(head)), answer: 250, expect };
}

const long = "病房".repeat(200);
const pieces = percent("住院許可書.pdf").match(/.{1,20}/g) ?? [];

/** Only that it is answered: what becomes of the name is not said. */
function taken(name: string, parameters: Bytes): Case {
  const head = ["Content-Type: application/x-blob", join("Content-Disposition: attachment; ", parameters)];
  return {
    name: `a file name ${name}`,
    raw: mixed(text("Hello"), attached(head)),
    answer: 250,
    expect: { text: "Hello" },
  };
}

const written: readonly Case[] = [
  named("without quotes, with blanks", "filename=the ward 7.pdf", "the ward 7.pdf"),
  named("with a semicolon and quotes in it", 'filename="a;b \\"c\\".pdf"', 'a;b "c".pdf'),
  named("with an open quote", 'filename="open.pdf', "open.pdf"),
  named("folded", '\r\n\tfilename=\r\n "folded.pdf"', "folded.pdf"),
  named("in capitals", "FILENAME=A.PDF; SIZE=1", "A.PDF"),
  named("percent-encoded (RFC 2231)", `filename*=utf-8''${percent("住院許可.pdf")}`, "住院許可.pdf"),
  named("percent-encoded, with a language", `filename*=UTF-8'zh-TW'${percent("七樓")}.pdf`, "七樓.pdf"),
  named("percent-encoded in Big5", `filename*=big5''${percent(big5File.bytes)}`, big5File.text),
  named("percent-encoded in quotes", `filename*="utf-8''${percent("七樓")}.pdf"`, "七樓.pdf"),
  named(
    "percent-encoded, next to a plain one",
    `filename="_.pdf"; filename*=utf-8''${percent("七樓.pdf")}`,
    "七樓.pdf",
  ),
  named("in pieces", 'filename*0="ward ";\r\n filename*1="7 ";\r\n filename*2=list.pdf', "ward 7 list.pdf"),
  named(
    "in percent-encoded pieces, cut inside characters",
    pieces.map((piece, index) => `filename*${index}*=${index === 0 ? "utf-8''" : ""}${piece}`).join(";\r\n "),
    "住院許可書.pdf",
  ),
  named("in pieces out of order", `filename*1*=${percent("樓")}.pdf; filename*0*=utf-8''${percent("七")}`, "七樓.pdf"),
  named("in a word", `filename="${word("住院許可.pdf")}"`, "住院許可.pdf"),
  named("in a word, without quotes", `filename=${word("住院許可.pdf")}`, "住院許可.pdf"),
  named("in words of Big5", `filename="${word(big5File.bytes, "big5")}"`, big5File.text),
  named("in words of ISO-2022-JP", `filename="${word(iso2022Jp.bytes, "ISO-2022-JP")}.txt"`, `${iso2022Jp.text}.txt`),
  named("in words, folded", `filename="${word("住院")}\r\n ${word("許可.pdf")}"`, "住院許可.pdf"),
  named("in UTF-8 as it is", 'filename="住院許可.pdf"', "住院許可.pdf"),
  named("in Big5 as it is", join('filename="', big5File.bytes, '"'), big5File.text),
  named("in Big5 as it is, a backslash its last byte", join('filename="', big5Name.bytes, '"'), big5Name.text),
  named("of emoji", 'filename="🏥👨‍👩‍👧‍👦.png"', "🏥👨‍👩‍👧‍👦.png"),
  whole("in the type only", ["Content-Type: application/x-blob; name=a.bin"], "a.bin"),
  whole("in the type only, in a word", [`Content-Type: image/png;\r\n name="${word("七樓.png")}"`], "七樓.png"),
  whole(
    "in the type and, another, in the disposition",
    ["Content-Type: application/x-blob; name=type.bin", "Content-Disposition: attachment; filename=disposition.bin"],
    "disposition.bin",
  ),
  whole("in a disposition without a type", ["Content-Disposition: attachment; filename=a.unknown"], "a.unknown"),
];

const dangerous: readonly Case[] = [
  named("that leaves its folder", "filename=../../../etc/passwd", "passwd"),
  named("that is a path", "filename=/var/spool/mail/ann", "ann"),
  named("that is a path of Windows", 'filename="C:\\\\Users\\\\ann\\\\ward.pdf"', "ward.pdf"),
  named("that leaves its folder, percent-encoded", "filename*=utf-8''..%2F..%5Cetc%2Fshadow", "shadow"),
  named("that leaves its folder, in a word", `filename="${word("../../a.pdf")}"`, "a.pdf"),
  named("with controls", "filename*=utf-8''a%00b%07c%1Bd.pdf", "a_b_c_d.pdf"),
  named("with line ends", `filename="${word("a\r\nX-Evil: b.pdf")}"`, "a__X-Evil: b.pdf"),
  named("of a device", "filename=CON.txt", "CON.txt"),
  named("of a property of every object", "filename=__proto__", "__proto__"),
  named("with a dot first", "filename=.htaccess", ".htaccess"),
  named("of html", 'filename="<img src=x onerror=alert(1)>.html"', "<img src=x onerror=alert(1)>.html"),
  named("of 300 characters", `filename=${"x".repeat(296)}.pdf`, `${"x".repeat(251)}.pdf`),
  named("of 400 characters of three bytes", `filename*=utf-8''${percent(long)}.pdf`, `${long.slice(0, 251)}.pdf`),
  named("of 255 characters", `filename=${"y".repeat(251)}.pdf`, `${"y".repeat(251)}.pdf`),
  named("of 100,000 characters", `filename="${"z".repeat(100_000)}.pdf"`, `${"z".repeat(251)}.pdf`),
  taken("of dots", 'filename=".."'),
  taken("that turns its direction", `filename*=utf-8''${percent("ward\u202Efdp.exe")}`),
  taken("with half of a surrogate pair", `filename="${word(Buffer.from([0x41, 0, 0x3d, 0xd8]), "utf-16le")}"`),
  // The parser takes its backslashes away.
  taken("that is a path of Windows, not escaped", 'filename="C:\\Users\\ann\\ward.pdf"'),
];

const missing: readonly Case[] = [
  whole("that is missing, of a pdf", ["Content-Type: application/pdf"], "attachment-1.pdf"),
  whole("that is missing, of an image", ["Content-Type: IMAGE/PNG"], "attachment-1.png"),
  whole("that is missing, of anything", ["Content-Type: application/octet-stream"], "attachment-1"),
  whole("that is missing, of a type that nobody knows", ["Content-Type: application/x-blob"], "attachment-1"),
  whole(
    "that is empty",
    ["Content-Type: text/csv", 'Content-Disposition: attachment; filename=""'],
    "attachment-1.csv",
  ),
  {
    name: "file names that are missing among others that are the same",
    raw: mixed(
      attached(["Content-Type: application/pdf; name=a.pdf"]),
      attached(["Content-Type: application/pdf"]),
      attached(["Content-Type: application/pdf; name=a.pdf"]),
      attached(["Content-Type: image/gif"]),
      attached(["Content-Type: application/pdf; name=A.PDF"]),
    ),
    answer: 250,
    expect: {
      text: "",
      attachments: ["a.pdf", "attachment-2.pdf", "a.pdf", "attachment-4.gif", "A.PDF"].map((filename) => ({
        filename,
        content,
      })),
    },
  },
];

export const filenames: readonly Case[] = [...written, ...dangerous, ...missing];
