/** Makes a file an answer. */
import { constants, open, realpath, type FileHandle } from "node:fs/promises";
import { sep } from "node:path";
import type { FileReply } from "../files.ts";
import { problems } from "../problem.ts";
import { Answer } from "./answer.ts";
import type { Incoming } from "./incoming.ts";

/** Throws `not_found` where there is no such file. */
export async function fileAnswer(
  { folder, path, options }: FileReply,
  status: number,
  incoming: Incoming,
  given: Readonly<Record<string, string>>,
): Promise<Answer> {
  const file = await opened(folder, path);
  let isTaken = false;
  try {
    const { size, mtimeMs, ino } = await file.stat();
    const etag = `"${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}-${ino.toString(36)}"`;
    const headers: Record<string, string> = {
      "content-type": options.type,
      "cache-control": options.cacheControl ?? "no-store",
      "x-content-type-options": "nosniff",
      "accept-ranges": "bytes",
      etag,
      ...(options.saveAs !== undefined && { "content-disposition": attachment(options.saveAs) }),
      ...options.headers,
      ...given,
    };
    if (isKnown(incoming.header("if-none-match"), etag)) return new Answer(304, headers, null);
    const isHead = incoming.method === "HEAD";
    const range = isHead ? undefined : rangeOf(incoming, etag, size);
    // Not to be kept, as the file may be: it says something of this request only.
    if (range === "none") return new Answer(416, { ...given, "content-range": `bytes */${size}` }, null);
    const { start, end } = range ?? { start: 0, end: size - 1 };
    headers["content-length"] = String(end - start + 1);
    if (range) headers["content-range"] = `bytes ${start}-${end}/${size}`;
    if (isHead || size === 0) return new Answer(status, headers, null);
    isTaken = true;
    return new Answer(range ? 206 : status, headers, file.createReadStream({ start, end }));
  } finally {
    if (!isTaken) await file.close();
  }
}

/** Of a link that somebody has put there nothing is shown, nor of what a linked folder leads out to; a pipe is not waited for. */
async function opened(folder: string, path: string | undefined): Promise<FileHandle> {
  if (path === undefined) throw problems.notFound();
  const [home, real] = await Promise.all([realpath(folder), realpath(path)]).catch(fromSystem);
  if (!real.startsWith(home + sep)) throw problems.notFound();
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(fromSystem);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw problems.notFound();
}

const absent: readonly unknown[] = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "ENXIO"];

function fromSystem(error: unknown): never {
  throw error instanceof Error && "code" in error && absent.includes(error.code) ? problems.notFound() : error;
}

function isKnown(known: string | undefined, etag: string): boolean {
  if (known === undefined) return false;
  return known.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}

/** A single range; several at once get the whole, which RFC 9110 (section 14.2) allows. */
function rangeOf(incoming: Incoming, etag: string, size: number): { start: number; end: number } | "none" | undefined {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(incoming.header("range")?.trim() ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return undefined;
  const condition = incoming.header("if-range");
  if (condition !== undefined && condition !== etag) return undefined;
  const start = from === "" ? Math.max(size - Number(to), 0) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== "" && to !== "" && Number(to) < start) return undefined;
  return start > end ? "none" : { start, end };
}

/** RFC 6266: in letters that everything reads, and as it is. */
function attachment(name: string): string {
  const plain = name.replaceAll(/[^\w.-]/g, "_");
  const exact = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}
