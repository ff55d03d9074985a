/** Content that is read from a file piece by piece, when it is needed. */
import { open, stat } from "node:fs/promises";
import { nameless } from "./disk.ts";

export interface FileContent {
  readonly path: string;
  readonly sizeBytes: number;
}

/** A file and its size now. Throws when it is not there. */
export async function fileContent(path: string): Promise<FileContent> {
  const { size } = await nameless(() => stat(path));
  return { path, sizeBytes: size };
}

/** Bytes that are encoded at once: a multiple of three, so that only the last piece is padded. */
const pieceBytes = 48 * 1024;

export function base64Length(sizeBytes: number): number {
  return 4 * Math.ceil(sizeBytes / 3);
}

/** A file in base64, without line breaks; as many bytes as `base64Length` says. Throws when the file has become shorter. */
export async function* base64Of({ path, sizeBytes }: FileContent): AsyncGenerator<Buffer> {
  const file = await nameless(() => open(path));
  try {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, sizeBytes));
    for (let position = 0; position < sizeBytes; position += piece.length) {
      const wanted = Math.min(piece.length, sizeBytes - position);
      for (let filled = 0; filled < wanted;) {
        const at = position + filled;
        const { bytesRead } = await nameless(() => file.read(piece, filled, wanted - filled, at));
        if (bytesRead === 0) throw new Error("A file became shorter while it was read");
        filled += bytesRead;
      }
      yield Buffer.from(piece.toString("base64", 0, wanted), "latin1");
    }
  } finally {
    await file.close();
  }
}
