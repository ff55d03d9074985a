/** From a message to its parts: texts in memory, attachments wherever they are staged. */
import { setImmediate as turn } from "node:timers/promises";
import { problems } from "../../../runtime/problem.ts";
import type { StagedPieces } from "../../resources/staged-content.ts";
import { contentDecoder, type Decoder } from "./decoders.ts";
import { withHeadEnd } from "./head.ts";
import type { HeaderLine, Headers, TreePart } from "./bare-parser.ts";
import { Parser } from "./mailparser.ts";
import { Splitting, type Piece } from "./split.ts";
import { textOf } from "./text.ts";

export interface ReceivedPart {
  readonly headers: Headers;
  readonly contentType: string | undefined;
  readonly contentId: string | undefined;
  readonly content: StagedPieces;
}

/** Its attachments go when it is disposed of, unless a mail has taken them over. */
export interface ParsedMessage extends AsyncDisposable {
  readonly headers: Headers;
  readonly headerLines: readonly HeaderLine[];
  readonly text: string | undefined;
  readonly html: string | undefined;
  readonly attachments: readonly ReceivedPart[];
  /** Whether something of the message is in neither of these: it has parts that nobody can tell apart. */
  readonly isIncomplete: boolean;
}

export interface ParseOptions {
  /** Takes the content of an attachment, to its end. */
  stage(content: AsyncIterable<Buffer>): Promise<StagedPieces>;
  signal: AbortSignal;
  /** Of the whole message. */
  sizeBytes: number;
}

/**
 * Parses a message, each piece of which has to be good only until the next is asked for. Throws `invalid_request` for
 * one that is none, what `stage` throws, and the reason of the signal; then nothing that was staged is left.
 */
export async function parseMessage(
  message: AsyncIterable<Buffer>,
  { stage, signal, sizeBytes }: ParseOptions,
): Promise<ParsedMessage> {
  const parser = new Parser();
  const attachments: ReceivedPart[] = [];
  const discard = async () => void (await Promise.all(attachments.map((one) => one.content[Symbol.asyncDispose]())));
  /** Of the message, with the slice that is being taken. */
  let left = sizeBytes;
  async function* slices() {
    for await (const slice of withHeadEnd(message)) {
      signal.throwIfAborted();
      yield slice;
      left -= slice.length;
    }
    signal.throwIfAborted();
  }
  const pieces = piecesOf(parser, slices());
  let piece: Piece | undefined;
  const advance = async () => (piece = (await pieces.next()).value ?? undefined);

  /** What comes of the part that has begun. */
  async function* content(decoder: Decoder | undefined): AsyncGenerator<Buffer> {
    for (; piece?.type === "body"; await advance()) yield decoder ? decoder.decode(piece.bytes) : piece.bytes;
    if (decoder) yield decoder.end();
  }

  async function take(part: TreePart): Promise<void> {
    await advance();
    const decoder = contentDecoder(part.node.encoding);
    if (part.isAttachment) {
      const { headers } = part;
      const staged = await stage(content(decoder ?? copying));
      attachments.push({ headers, contentType: parser.typeOf(part), contentId: contentIdOf(headers), content: staged });
    } else if (part.isAttachment === false) {
      part.textContent = await textOf(content(decoder), parser.textForm(part), left);
    }
  }

  try {
    await advance();
    while (piece) {
      if (piece.type === "node") {
        const { node } = piece;
        await take(understood(() => parser.begin(node)));
        continue;
      }
      parser.passBy(piece);
      await advance();
    }
    await parser.writeHtml();
    const { text, html } = understood(() => parser.getTextContent());
    await turn(); // To put those of a large message together takes a while; to go through them, another one.
    return {
      headers: parser.messageHeaders,
      headerLines: parser.headerLines || [],
      text,
      html,
      attachments,
      isIncomplete: parser.isIncomplete,
      [Symbol.asyncDispose]: discard,
    };
  } catch (error) {
    await discard();
    throw error;
  } finally {
    await pieces.return(undefined);
  }
}

/** For content that is as it is, and that stays longer than its pieces. */
const copying: Decoder = { decode: (piece) => Buffer.from(piece), end: () => Buffer.alloc(0) };

/** Throws what the message throws, and `invalid_request`. */
async function* piecesOf({ splitter }: Parser, message: AsyncIterable<Buffer>): AsyncGenerator<Piece, undefined> {
  const splitting = new Splitting(splitter);
  for await (const slice of message) yield* understood(() => splitting.take(slice));
  yield* understood(() => splitting.end());
  return undefined;
}

/** Whatever the parser throws, it is for what the message has in it. */
function understood<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const message = isTooMuch(cause)
      ? "The message has too long headers, or too many parts"
      : "The message cannot be read";
    throw problems.invalidRequest({ message, cause });
  }
}

/** One of mailparser's own limits. */
function isTooMuch(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EMAXLEN";
}

/** A whole message as a part of itself. */
export function wholeMessage(content: StagedPieces): ReceivedPart {
  const headers = new Map([["content-disposition", { value: "attachment", params: { filename: "message.eml" } }]]);
  return { headers, contentType: "message/rfc822", contentId: undefined, content };
}

/** Without its brackets. */
function contentIdOf(headers: Headers): string | undefined {
  const id = headers.get("content-id");
  return typeof id === "string" ? id.trim().replaceAll(/^<|>$/g, "").trim() : undefined;
}
