/** Reads a JSON body within a limit; a large one without having all of it in memory. */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { Context } from "../context.ts";
import type { LargeStrings as LargeStringsContract, StringSink, UploadedFile } from "../http.ts";
import { problems } from "../problem.ts";
import type { Incoming } from "./incoming.ts";
import { LargeStrings } from "./large-strings.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { ClientGone, receive, tooLarge } from "./receive.ts";
import { TextBuffer } from "./text-buffer.ts";

export { ClientGone };

export interface Body {
  readonly value: unknown;
  /** SHA-256 of the bytes, in hex. */
  hash(): string;
  /** See `HttpRequest.large`. */
  large?(text: string): StringSink | undefined;
  /** Those of a form. */
  readonly files?: Readonly<Record<string, UploadedFile>>;
  /** To be called when the call is over. */
  close?(): Promise<void>;
}

export interface BodyContract {
  readonly bodyLimit: number;
  readonly largeStrings: LargeStringsContract<StringSink> | undefined;
  /** Looks at the bytes before they are parsed. */
  readonly checkBody?: ((body: Buffer) => void | Promise<void>) | undefined;
}

const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** Bodies up to this size, in bytes, are read into memory and no more is thought about it. */
const small = 256 * 1024;

/**
 * How much of large bodies may be in memory, in all calls together; and how long one may wait for that, in milliseconds,
 * before its client is asked to come back.
 */
const budget = new MemoryBudget(40 * 2 ** 20, 20_000);

/**
 * The same for bodies that are themselves what proves who sends them: until one is there, that may be anybody. A thousand
 * who each hold back the last byte are not to take the memory of the others, nor their budget.
 */
const ofStrangers = { small: 16 * 1024, budget: new MemoryBudget(16 * 2 ** 20, 20_000) };

/**
 * What the text of a body takes until its call has ended, for each byte of it: its values, and whatever is made of them.
 * Measured with batches of 1,000 mails of 3 KB each.
 */
const parsedShare = 8;

/**
 * Reads and parses the body of a request. Throws `unsupported_media_type`, `request_too_large` (as soon as that is
 * known: at the header, or a moment after the byte that passes the limit) or `invalid_json`; `ClientGone` when the client left.
 */
export async function readJson(incoming: Incoming, contract: BodyContract, ctx: Context): Promise<Body> {
  const type = incoming.header("content-type");
  if (type !== undefined && !jsonType.test(type)) throw problems.unsupportedMediaType();
  const { bodyLimit, checkBody } = contract;
  const announced = Number(incoming.header("content-length") ?? Infinity);
  if (announced !== Infinity && announced > bodyLimit) throw tooLarge(bodyLimit);
  if (announced <= (checkBody ? ofStrangers.small : small)) return await readWhole(incoming, contract);
  return await readLarge(incoming, contract, ctx);
}

/** Every string stays in the text. */
const noLargeStrings: LargeStringsContract<StringSink> = {
  key: "",
  over: Infinity,
  open() {
    throw new Error("No string is longer than this");
  },
};

async function readWhole({ source }: Incoming, { bodyLimit: limit, checkBody }: BodyContract): Promise<Body> {
  const chunks: Buffer[] = [];
  await receive(source, { limit, take: (chunk) => void chunks.push(chunk) });
  const [first] = chunks;
  const bytes = first && chunks.length === 1 ? first : Buffer.concat(chunks);
  await checkBody?.(bytes);
  if (!isUtf8(bytes)) throw notUtf8();
  return { value: parse(bytes.toString()), hash: () => createHash("sha256").update(bytes).digest("hex") };
}

async function readLarge({ source }: Incoming, contract: BodyContract, ctx: Context): Promise<Body> {
  const { bodyLimit: limit, largeStrings, checkBody } = contract;
  const share = (checkBody ? ofStrangers.budget : budget).share();
  const rest = new TextBuffer(share);
  // What is looked at as it was sent stays whole.
  const { key, over, open } = (checkBody ? undefined : largeStrings) ?? noLargeStrings;
  const strings = new LargeStrings({ key, over, open: () => open(ctx) }, rest);
  const digest = createHash("sha256");
  let busy: Promise<void> | undefined;
  const take = (chunk: Buffer) => {
    digest.update(chunk);
    return (busy = strings.feed(chunk));
  };
  const giveBack = () => share.release();
  const close = async () => {
    ctx.signal.removeEventListener("abort", giveBack);
    giveBack();
    await busy?.catch(() => {});
    await Promise.all(strings.sinks().map((sink) => sink.discard()));
  };
  try {
    await receive(source, { limit, take, signal: ctx.signal });
    await checkBody?.(rest.from(0));
    if (!rest.isUtf8()) throw notUtf8();
    ctx.signal.addEventListener("abort", giveBack, { once: true });
    await share.take(rest.length * parsedShare);
    if (ctx.signal.aborted) throw new ClientGone("Nobody waits for an answer", { cause: ctx.signal.reason });
    const value = parse(rest.toString(), strings.sinks().length === 0);
    rest.clear();
    const hash = digest.digest("hex");
    return { value, hash: () => hash, large: (text) => strings.find(text), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** `isWhole`: nothing was taken out of it, so that a place in it is the client's. */
function parse(text: string, isWhole = true): unknown {
  if (text === "") throw problems.invalidJson({ message: "A JSON body is required" });
  try {
    return JSON.parse(text);
  } catch (error) {
    const position = isWhole && error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
    throw problems.invalidJson(
      position === undefined ? {} : { message: `The body is not valid JSON (at character ${position})` },
    );
  }
}

function notUtf8() {
  return problems.invalidJson({ message: "The body is not UTF-8 text" });
}
