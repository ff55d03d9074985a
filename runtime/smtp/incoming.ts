/** The message of a DATA command, as its handler reads it. */
import type { SMTPServerDataStream } from "smtp-server";
import { problems } from "../problem.ts";
import { LineEnds } from "./line-ends.ts";

/**
 * smtp-server hands over a line that begins with a dot as a piece of its own, and takes as long for it as for 100 KB of
 * others. No mail that anybody writes has so many: base64 has no dots, and quoted-printable few.
 */
const mostPieces = 50_000;
const smallPieceBytes = 64;

export interface MessageLimits {
  bytes: number;
  /** Told when the message has come whole. */
  ended(): void;
}

/** Throws a problem for a message over a limit, and what the stream throws when its client goes. */
export async function* incomingMessage(stream: SMTPServerDataStream, limits: MessageLimits): AsyncGenerator<Buffer> {
  const lineEnds = new LineEnds();
  let bytes = 0;
  let pieces = 0;
  for await (const piece of piecesOf(stream)) {
    bytes += piece.length;
    if (bytes > limits.bytes) {
      throw problems.requestTooLarge({ message: `The message is larger than ${limits.bytes} bytes` });
    }
    if (++pieces > mostPieces && bytes < pieces * smallPieceBytes) {
      throw problems.invalidRequest({ message: "The message has too many lines that begin with a dot" });
    }
    const normal = lineEnds.normalize(piece);
    if (normal.length > 0) yield normal;
  }
  const rest = lineEnds.end();
  if (rest.length > 0) yield rest;
  limits.ended();
}

/**
 * What a stream gives, as it comes. Whoever stops reading leaves the stream as it is: the rest has to be read before the
 * client can be answered. A stream's own iterator takes several times as long for a short message.
 */
async function* piecesOf(stream: SMTPServerDataStream): AsyncGenerator<Buffer> {
  let wake: () => void = () => {};
  let isOver = false;
  let failure: Error | undefined;
  const change = () => wake();
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
    for (;;) {
      const piece = stream.read() as Buffer | null;
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
