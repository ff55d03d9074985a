/** Bodies of requests to Graph, whose files are read while they are sent. */
import { open } from "node:fs/promises";
import { nameless } from "../../resources/disk.ts";
import { base64Length, base64Of, type FileContent } from "../../resources/file-content.ts";
import type { PostBody } from "../../resources/http-post.ts";

export const nothing: PostBody = {
  length: 0,
  async *chunks() {},
};

/** Texts, and between them files in base64. */
export function textBody(...parts: (string | FileContent)[]): PostBody {
  const pieces = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
  const lengths = pieces.map((piece) => ("sizeBytes" in piece ? base64Length(piece.sizeBytes) : piece.length));
  return {
    length: lengths.reduce((sum, length) => sum + length, 0),
    async *chunks() {
      for (const piece of pieces) {
        if ("sizeBytes" in piece) yield* base64Of(piece);
        else yield piece;
      }
    },
  };
}

const pieceBytes = 64 * 1024;

/** The bytes of a file from `start` up to `end`. */
export function rangeBody({ path }: FileContent, start: number, end: number): PostBody {
  return {
    length: end - start,
    async *chunks() {
      const file = await nameless(() => open(path));
      try {
        for (let at = start; at < end;) {
          const piece = Buffer.allocUnsafe(Math.min(pieceBytes, end - at));
          const { bytesRead } = await nameless(() => file.read(piece, 0, piece.length, at));
          if (bytesRead === 0) throw new Error("A file became shorter while it was read");
          at += bytesRead;
          yield piece.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
  };
}
