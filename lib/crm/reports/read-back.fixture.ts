/** Reads what the writers made, by the published formats, for tests. */
import { inflateRawSync, inflateSync } from "node:zlib";

/** The files in a zip archive by their paths, as its central directory has them (PKWARE APPNOTE 4.3.12). */
export function unzip(archive: Buffer): Map<string, string> {
  const files = new Map<string, string>();
  const end = archive.lastIndexOf(Buffer.from("PK\u0005\u0006"));
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [method, size] = [archive.readUInt16LE(at + 10), archive.readUInt32LE(at + 20)];
    const [name, extra, comment] = [28, 30, 32].map((field) => archive.readUInt16LE(at + field));
    const path = archive.toString("utf8", at + 46, at + 46 + (name ?? 0));
    const local = archive.readUInt32LE(at + 42);
    const from = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const bytes = archive.subarray(from, from + size);
    files.set(path, (method === 8 ? inflateRawSync(bytes) : bytes).toString());
    at += 46 + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
  return files;
}

/** A sheet's cells by their places: what is in them, as XML has it. */
export function cellsOf(sheet: string): Record<string, string> {
  const cells = sheet.matchAll(/<c r="([A-Z]+\d+)"[^>]*>(?:<v>(.*?)<\/v>|<is><t[^>]*>(.*?)<\/t><\/is>)<\/c>/gs);
  return Object.fromEntries([...cells].map(([, at, number, text]) => [at, number ?? text]));
}

/** The texts of a PDF's pages, in the order in which they were written (ISO 32000-1, 9.4 and 9.10). */
export function pagesOf(pdf: Buffer): string[][] {
  const bytes = pdf.toString("latin1");
  const objects = new Map<string, string>();
  for (const [, id = "", body = ""] of bytes.matchAll(/(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj/gs)) objects.set(id, body);
  const refs = (text: string, key: RegExp) => [...text.matchAll(key)].map(([, id = ""]) => objects.get(id) ?? "");
  const stream = (object = "") => {
    const [, data = ""] = /stream\n(.*)\nendstream/s.exec(object) ?? [];
    return inflateSync(Buffer.from(data, "latin1")).toString("latin1");
  };
  const charactersOf = (font: string) => {
    const cmap = stream(refs(font, /\/ToUnicode (\d+) 0 R/g)[0]);
    return [...cmap.matchAll(/\[(<.*?>)\]/g)]
      .flatMap(([, codes = ""]) => codes.slice(1, -1).split("> <"))
      .map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex").swap16().toString("utf16le"));
  };
  return refs(bytes, /(?:^|\n)(\d+) 0 obj\n<<\n\/Type \/Page\n/g).map((page) => {
    const resources = refs(page, /\/Resources (\d+) 0 R/g)[0] ?? "";
    const fonts = new Map(
      [...resources.matchAll(/\/(F\d+) (\d+) 0 R/g)].map(([, name, id = ""]) => [
        name,
        charactersOf(objects.get(id) ?? ""),
      ]),
    );
    const shown = stream(refs(page, /\/Contents (\d+) 0 R/g)[0]).matchAll(
      /\/(F\d+) [\d.]+ Tf\n(?:.* T[cwz]\n)*\[(.*?)\] TJ/g,
    );
    return [...shown].map(([, name, shows = ""]) => {
      const glyphs = [...shows.matchAll(/<(.*?)>/g)].flatMap(([, hex = ""]) => hex.match(/.{4}/g) ?? []);
      return glyphs.map((glyph) => fonts.get(name)?.[Number.parseInt(glyph, 16)] ?? "").join("");
    });
  });
}
