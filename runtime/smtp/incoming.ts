/** The message of a DATA command, as its handler reads it. */
import type { SMTPServerDataStream } from "smtp-server";
import { problems } from "../problem.ts";
import { LineEnds } from "./line-ends.ts";

/**
 * smtp-server cuts a message before each line that begins with a dot, and takes as long for one as for 100 KB of others.
 * No mail that anybody writes has so many: base64 has no dots, and quoted-printable few.
 */
const mostDots = 50_000;
const leastBytesPerDot = 64;
const dotLine = Buffer.from("\n.");

/** Less is not taken before all has come, in bytes: such pieces are put together where they wait anyway. */
const leastBytes = 16 * 1024;

export interface MessageLimits {
  bytes: number;
  /** Told when the message has come whole. */
  ended(): void;
}

/** Throws a problem for a message over a limit, and what the stream throws when its client goes. */
export async function* incomingMessage(stream: SMTPServerDataStream, limits: MessageLimits): AsyncGenerator<Buffer> {
  const lineEnds = new LineEnds();
  let bytes = 0;
  let dots = 0;
  for await (const piece of piecesOf(stream)) {
    bytes += piece.length;
    if (bytes > limits.bytes) {
      throw problems.requestTooLarge({ message: `The message is larger than ${limits.bytes} bytes` });
    }
    dots += dotLinesIn(piece);
    if (dots > mostDots && bytes < dots * leastBytesPerDot) {
      throw problems.invalidRequest({ message: "The message has too many lines that begin with a dot" });
    }
    const normal = lineEnds.normalize(piece);
    if (normal.length > 0) yield normal;
  }
  const rest = lineEnds.end();
  if (rest.length > 0) yield rest;
  limits.ended();
}

function dotLinesIn(piece: Buffer): number {
  let count = 0;
  for (let at = piece.indexOf(dotLine); at >= 0; at = piece.indexOf(dotLine, at + 1)) count++;
  return count;
}

/**
 * What a stream gives, in pieces of some size. Whoever stops reading leaves the stream as it is: the rest has to be read
 * before the client can be answered. A stream's own iterator takes several times as long for a short message.
 */
async function* piecesOf(stream: SMTPServerDataStream): AsyncGenerator<Buffer> {
  let wake: () => void = () => {};
  let isOver = false;
  let failure: Error | undefined;
  const isEnough = () =>
    stream.writableEnded || stream.readableLength >= Math.min(leastBytes, stream.readableHighWaterMark);
  const change = () => {
    if (isEnough()) wake();
  };
  const end = () => {
    isOver = true;
    wake();
  };
  const fail = (error: Error) => {
    failure = error;
    wake();
  };
  stream.on("readable", change).once("end", end).once("error", fail).once("close", end);
  try {
    for (let piece: Buffer | null = null; ;) {
      // Once something is read, until nothing is left: a stream tells of more only then.
      const isDue: boolean = piece !== null || isEnough() || isOver || failure !== undefined;
      piece = isDue ? readAll(stream) : null;
      if (piece !== null) yield piece;
      else if (failure) throw failure;
      else if (isOver) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    if (!stream.readableEnded) throw new Error("The message ended before its final dot");
  } finally {
    stream.off("readable", change).off("end", end).off("error", fail).off("close", end);
  }
}

/** What waits in a stream, in one piece; null when nothing does. */
function readAll(stream: SMTPServerDataStream): Buffer | null {
  // Never more than its limit, which would be raised for that; and without a number to have it end.
  const bytes = Math.min(stream.readableLength, stream.readableHighWaterMark);
  return stream.read(bytes === 0 ? undefined : bytes) as Buffer | null;
}

/** Reads and forgets the rest of a message. Whoever sends without end is cut off at `most` bytes. */
export async function forgetRest(stream: SMTPServerDataStream, most: number, cut: () => void): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  stream.once("end", resolve).once("close", resolve).once("error", resolve);
  const look = () => {
    if (stream.byteLength > most) cut();
  };
  look();
  stream.on("data", look).resume();
  await over;
}
