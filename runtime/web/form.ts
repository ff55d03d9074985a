/** Reads a form with files (multipart/form-data, RFC 7578): its files go to disk as they come, its texts are few and short. */
import { randomUUID } from "node:crypto";
import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import type { Context } from "../context.ts";
import type { UploadedFile } from "../http.ts";
import { problems, type Problem } from "../problem.ts";
import type { Body } from "./body.ts";
import type { Incoming } from "./incoming.ts";
import { receive, tooLarge } from "./receive.ts";

export interface FormContract {
  readonly bodyLimit: number;
  /** The files that it must have, each once, and their limits in bytes. */
  readonly files: Readonly<Record<string, { readonly maxBytes: number }>>;
  /** Where files wait for the end of the call. */
  readonly folder: string;
  /** Makes what the schema of the texts asks for of them. */
  coerce(read: (name: string) => unknown): unknown;
}

/** Far more than a form has that a person fills in. */
const limits = { fieldNameSize: 100, fieldSize: 64 * 1024, fields: 100, headerPairs: 20, headerSize: 8 * 1024 };

/** Of all texts of a form together, in characters: they are in memory. */
const mostText = 256 * 1024;

/**
 * Reads the body of a request. Throws `unsupported_media_type`, `request_too_large`, `invalid_request` with the field
 * that is wrong (among these a file above its limit), and `ClientGone`. `close` removes what the handler has not taken.
 */
export async function readForm(incoming: Incoming, contract: FormContract, ctx: Context): Promise<Body> {
  const type = incoming.header("content-type") ?? "";
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    throw problems.unsupportedMediaType({ message: "Send the body as multipart/form-data" });
  }
  const { bodyLimit: limit } = contract;
  if (Number(incoming.header("content-length") ?? 0) > limit) throw tooLarge(limit);
  await mkdir(contract.folder, { recursive: true });
  const form = new Form(type, contract);
  const close = () => form.close();
  try {
    // A copy: the parser holds on to pieces of it beyond the moment when the chunk is no more.
    await receive(incoming.source, { limit, take: (chunk) => form.write(Buffer.from(chunk)), signal: ctx.signal });
    const files = await form.end();
    return { value: contract.coerce((name) => form.text(name)), files, hash: () => "", close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Arriving extends UploadedFile {
  stream: Readable;
  target: WriteStream;
  written: Promise<void>;
  /** Settles when nothing can make the file any more: a stream that is destroyed while it opens one makes it still. */
  closed: Promise<void>;
  bytes: number;
}

class Form {
  readonly #contract: FormContract;
  readonly #parser: BusboyInstance;
  readonly #texts = new Map<string, string[]>();
  readonly #files = new Map<string, Arriving>();
  readonly #failure = Promise.withResolvers<never>();
  readonly #finished = Promise.withResolvers<void>();
  #textLength = 0;

  constructor(type: string, contract: FormContract) {
    this.#contract = contract;
    this.#failure.promise.catch(() => {});
    const mostBytes = Math.max(...Object.values(contract.files).map(({ maxBytes }) => maxBytes));
    const files = Object.keys(contract.files).length + 1;
    try {
      // One byte more than may be: what is at its limit is not over it.
      this.#parser = new Busboy({
        headers: { "content-type": type },
        limits: { ...limits, files, parts: limits.fields + files, fileSize: mostBytes + 1 },
      });
    } catch (error) {
      throw notAForm(error);
    }
    this.#parser.on("file", (name: string | undefined, stream, filename, _encoding, contentType) => {
      this.#takeFile(name ?? "", stream, filename, contentType);
    });
    this.#parser.on("field", (name: string | undefined, value, _nameTruncated, valueTruncated) => {
      if (valueTruncated) this.#fail(wrong(name ?? "", `must be at most ${limits.fieldSize} bytes`));
      else if (name !== undefined) this.#takeText(name, value);
    });
    this.#parser.on("fieldsLimit", () => this.#fail(wrong("", `must have at most ${limits.fields} fields`)));
    this.#parser.on("filesLimit", () => this.#fail(wrong("", "has too many files")));
    this.#parser.on("partsLimit", () => this.#fail(wrong("", "has too many parts")));
    this.#parser.on("finish", () => this.#finished.resolve());
    this.#parser.on("error", (error: unknown) => this.#fail(notAForm(error)));
  }

  write(chunk: Buffer): Promise<void> {
    const taken = new Promise<void>((resolve) => this.#parser.write(chunk, () => resolve()));
    return Promise.race([taken, this.#failure.promise]);
  }

  /** Returns the files once all of them are on disk. */
  async end(): Promise<Record<string, UploadedFile>> {
    this.#parser.end();
    await Promise.race([this.#finished.promise, this.#failure.promise]);
    await Promise.race([Promise.all([...this.#files.values()].map(({ written }) => written)), this.#failure.promise]);
    for (const name of Object.keys(this.#contract.files)) {
      if (!this.#files.has(name)) throw wrong(name, "is required");
    }
    return Object.fromEntries(
      [...this.#files].map(([name, { path, bytes, filename, contentType }]) => [
        name,
        { path, bytes, filename, contentType },
      ]),
    );
  }

  /** A text, a list where it was given more than once. */
  text(name: string): unknown {
    const values = this.#texts.get(name);
    return values && values.length > 1 ? values : values?.[0];
  }

  async close(): Promise<void> {
    const files = [...this.#files.values()];
    for (const { stream, target } of files) {
      stream.destroy();
      target.destroy();
    }
    await Promise.all(files.map(({ closed }) => closed));
    await Promise.all(files.map(({ path }) => rm(path, { force: true })));
  }

  #takeText(name: string, text: string): void {
    this.#textLength += text.length;
    if (this.#textLength > mostText) return this.#fail(wrong("", "has too much text"));
    this.#texts.set(name, [...(this.#texts.get(name) ?? []), text]);
  }

  #takeFile(name: string, stream: BusboyFileStream, filename: string | undefined, contentType: string): void {
    const limit = Object.hasOwn(this.#contract.files, name) ? this.#contract.files[name] : undefined;
    const fault = !limit ? "is not a file of this form" : this.#files.has(name) ? "must be given once" : undefined;
    if (fault !== undefined || !limit) {
      stream.on("error", () => {});
      stream.resume();
      return this.#fail(wrong(name, fault ?? ""));
    }
    const path = join(this.#contract.folder, `upload-${randomUUID()}`);
    const target = createWriteStream(path, { flags: "wx", mode: 0o600 });
    const closed = new Promise<void>((resolve) => target.once("close", () => resolve()));
    const written = pipeline(stream, target);
    written.catch((error: unknown) => this.#fail(error));
    const file: Arriving = { path, bytes: 0, filename, contentType, stream, target, written, closed };
    stream.on("data", (piece: Buffer) => {
      file.bytes += piece.length;
      if (file.bytes > limit.maxBytes) this.#fail(wrong(name, `must be at most ${inWords(limit.maxBytes)}`));
    });
    this.#files.set(name, file);
  }

  /** The first failure is the one that is told. */
  #fail(error: unknown): void {
    this.#failure.reject(error);
  }
}

function wrong(field: string, message: string): Problem {
  const of = field === "" ? "the form" : field;
  return problems.invalidRequest({ part: "body", message: `${of} ${message}`, details: [{ field, message }] });
}

function notAForm(cause: unknown): Problem {
  return problems.invalidRequest({ message: "The body is not a complete multipart form", cause });
}

function inWords(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MB` : `${bytes} bytes`;
}
