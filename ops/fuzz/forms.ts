/** Forms with files (multipart/form-data, RFC 7578), right and wrong. */
import sharp from "sharp";
import type { Random } from "../harness/random.ts";
import { flipped } from "./frames.ts";

export interface Form {
  type: string;
  body: Buffer;
}

/** Small pictures of every kind, and what says that it is one. */
export async function makePictures(): Promise<[Buffer, ...Buffer[]]> {
  const plain = sharp({ create: { width: 24, height: 16, channels: 3, background: "teal" } });
  const png = await plain.clone().png().toBuffer();
  const huge = Buffer.from(png);
  huge.writeUInt32BE(60_000, 16); // The width of an IHDR, whose checksum is wrong now.
  return [
    png,
    await plain.clone().jpeg().withMetadata({ orientation: 6 }).toBuffer(),
    await plain.clone().webp().toBuffer(),
    await plain.clone().gif().toBuffer(),
    huge,
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    Buffer.from("%PDF-1.4"),
    Buffer.alloc(0),
  ];
}

interface Part {
  head: string;
  content: Buffer;
}

const named = (name: string, content: string | Buffer, more = ""): Part => ({
  head: `Content-Disposition: form-data; name="${name}"${more}`,
  content: Buffer.from(content),
});

const fileNames = ["a.png", "", "../../a.png", "帳單.png", 'a".png', "a\u0000.png", "x".repeat(500), "a.php"] as const;

export function makeForm(pictures: readonly [Buffer, ...Buffer[]], random: Random, isSpoilt: boolean): Form {
  const picture = random.percent(60) ? pictures[random.between(0, 2)] : random.pick(pictures);
  const content = picture ?? pictures[0];
  const file = named(
    "file",
    isSpoilt && random.percent(30) ? flipped(content, random) : content,
    `; filename="${isSpoilt ? random.pick(fileNames) : "a.png"}"\r\nContent-Type: ${random.pick(["image/png", "image/jpeg", "a/b"])}`,
  );
  const category = named("category", random.pick(["templates", "members"]));
  const parts = [category, file, ...(random.percent(30) ? [named("crop", "square")] : [])];
  const boundary = isSpoilt ? random.pick(["b", "x".repeat(70), "a b", "'()+_,-./:=?", "b", "b"]) : "----b7f3";
  const changed = isSpoilt ? spoiltParts(parts, file, random) : parts;
  const body = written(changed, boundary);
  if (!isSpoilt) return { type: `multipart/form-data; boundary=${boundary}`, body };
  const type = random.pick([
    `multipart/form-data; boundary=${boundary}`,
    `multipart/form-data; boundary="${boundary}"`,
    `Multipart/Form-Data;BOUNDARY="${boundary}"; charset=big5`,
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=other",
    `multipart/mixed; boundary=${boundary}`,
  ]);
  return { type, body: random.percent(30) ? endedWrong(body, random) : body };
}

function spoiltParts(parts: Part[], file: Part, random: Random): Part[] {
  const other = random.pick<Part>([
    named("file", "not a file"),
    file,
    named("category", "../../etc"),
    named("category", "templates"),
    named("crop", "round"),
    named("__proto__", "x"),
    named("x".repeat(200), "x"),
    named("notes", "字".repeat(40_000)),
    named("other", "abc", '; filename="a.txt"'),
    { head: "Content-Type: text/plain", content: Buffer.from("no name") },
    { head: "Content-Disposition: form-data", content: Buffer.from("no name") },
    {
      head: `Content-Disposition: form-data; name="crop"\r\nContent-Transfer-Encoding: base64`,
      content: Buffer.from("c3F1YXJl"),
    },
    { head: Array.from({ length: 50 }, (_, index) => `X-${index}: y`).join("\r\n"), content: Buffer.from("a") },
    { head: `Content-Disposition: form-data; name="file"; filename*=UTF-8''%E5%B8%B3.png`, content: file.content },
  ]);
  const dice = random.between(0, 5);
  if (dice === 0) return parts.filter((part) => part !== file);
  if (dice === 1) return [];
  if (dice === 2) return [file];
  if (dice === 3) return [...parts, ...Array.from({ length: 150 }, () => other)];
  if (dice === 4) return [other, ...parts];
  return [...parts, other];
}

function written(parts: readonly Part[], boundary: string): Buffer {
  const pieces = parts.flatMap(({ head, content }) => [
    Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
    content,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

function endedWrong(body: Buffer, random: Random): Buffer {
  const dice = random.between(0, 3);
  if (dice === 0) return body.subarray(0, random.between(0, body.length));
  if (dice === 1) return Buffer.from(body.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
  if (dice === 2) return Buffer.concat([body, Buffer.from("more after the end"), body]);
  return flipped(body, random);
}
