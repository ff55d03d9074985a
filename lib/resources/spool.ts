/**
 * Messages on their way in, from their first byte to their last: together they have so much memory, and what does not
 * fit into that waits in files. A slow client so holds up nobody, and no number of them fills the memory.
 */
import { piecesOf } from "./disk.ts";
import type { IncomingFile } from "./incoming-file.ts";

export interface Spooled extends AsyncDisposable {
  readonly sizeBytes: number;
  /** All of it, from the beginning. */
  pieces(): AsyncIterable<Buffer>;
  /** The same; each piece is good until the next is asked for. */
  passing(): AsyncIterable<Buffer>;
}

export interface Spool {
  /** Takes a message to its end. Throws what its pieces throw, and leaves nothing then. */
  keep(pieces: AsyncIterable<Buffer>): Promise<Spooled>;
}

export interface SpoolOptions {
  /** A new file for a message. */
  newFile(): IncomingFile;
  /** Bytes that all messages have in memory, and that one has. */
  memoryBytes: number;
  messageBytes: number;
}

export function openSpool({ newFile, memoryBytes, messageBytes }: SpoolOptions): Spool {
  let taken = 0;

  return {
    async keep(pieces) {
      const held: Buffer[] = [];
      let own = 0;
      let file: IncomingFile | undefined;
      const release = () => {
        taken -= own;
        own = 0;
        held.length = 0;
      };
      const discard = async () => {
        release();
        await file?.discard();
      };
      const write = async () => {
        file ??= newFile();
        await file.append(held);
        release();
      };
      try {
        for await (const piece of pieces) {
          held.push(piece);
          own += piece.length;
          taken += piece.length;
          // Of those that are in files anyway, no more than half is for what is to be written in one go.
          if (own > messageBytes || taken > (file ? memoryBytes / 2 : memoryBytes)) await write();
        }
        if (file) await write();
        await file?.end();
      } catch (error) {
        await discard();
        throw error;
      }
      const whole = file;
      return {
        sizeBytes: whole?.sizeBytes ?? own,
        pieces: () => (whole ? piecesOf(whole.path) : each(held)),
        passing: () => (whole ? whole.passing() : each(held)),
        [Symbol.asyncDispose]: discard,
      };
    },
  };
}

async function* each(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces;
}
