/**
 * The folder of attachments: `YYYY/MM/DD/{mail id}/name`. Content is stored once: files of the same content are names
 * (hard links) of one file, which also has a name by its SHA-256 under `.content`. What is being received lies in `.incoming`.
 */
import { randomUUID } from "node:crypto";
import { link, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { attachmentCleaner, contentPath, removeAlone, type AttachmentCleaner } from "./attachment-cleaning.ts";
import { codeOf, create, flushFolders, move, nameless, piecesOf } from "./disk.ts";
import { makeFolder } from "./folder.ts";
import { IncomingFile } from "./incoming-file.ts";
import { StagedFile, stagePieces, type StagedContent, type StagedPieces } from "./staged-content.ts";

export interface AttachmentStore {
  /** Takes base64 piece by piece; what no mail keeps is to be discarded. */
  receive(maxBytes: number): StagedFile;
  /** Takes content as it is, to its end; what no mail keeps is to be disposed of. */
  stage(pieces: AsyncIterable<Buffer>, maxBytes: number): Promise<StagedPieces>;
  /** For whatever else comes in, and is to go again. */
  newFile(): IncomingFile;
  /**
   * Stores the files of one folder (`2026/01/20/{mail id}`). Returns once they are on disk for good: content flushed
   * before it got its name, and the folders flushed after. Returns, or throws, when nothing is being written any more.
   */
  keep(folder: string, files: readonly { name: string; content: StagedContent }[]): Promise<void>;
  /** Takes a folder away that no mail came of, and of its contents what nothing else has. */
  remove(folder: string, files: readonly { content: { sha256: string } }[]): Promise<void>;
  read(path: string): Promise<Buffer>;
  stream(path: string): Readable;
  /** Absolute path of a stored file. */
  resolve(path: string): string;
  readonly cleaner: AttachmentCleaner;
}

export function openAttachments(root: string): AttachmentStore {
  const incoming = () => join(root, ".incoming", randomUUID());

  async function keepOne(target: string, content: StagedContent): Promise<void> {
    const common = contentPath(root, content.sha256);
    if ((await tryLink(common, target)) === "linked") return;
    const own = await flushed(content, incoming);
    try {
      const result = (await share(own, common)) ? await tryLink(common, target) : "unsupported";
      if (result === "full") {
        // From now on this file gets the names. It has two before, so that no cleaning takes it for left over.
        await link(own, target);
        await rename(own, common);
      } else if (result !== "linked") {
        // Also when the common one has just been cleaned away.
        await move(own, target);
      }
    } finally {
      await rm(own, { force: true });
    }
  }

  return {
    receive: (maxBytes) => new StagedFile(incoming(), maxBytes),
    stage: (pieces, maxBytes) => stagePieces(pieces, incoming(), maxBytes),
    newFile: () => new IncomingFile(incoming()),
    keep: (folder, files) =>
      nameless(async () => {
        const target = join(root, folder);
        await makeFolder(target);
        const ended = await Promise.allSettled(files.map(({ name, content }) => keepOne(join(target, name), content)));
        const failed = ended.find((result) => result.status === "rejected");
        if (failed) throw failed.reason;
        await flushFolders(root, target);
      }),
    remove: (folder, files) =>
      nameless(async () => {
        await rm(join(root, folder), { recursive: true, force: true });
        await Promise.all(files.map(({ content }) => removeAlone(contentPath(root, content.sha256))));
      }),
    read: (path) => nameless(() => readFile(join(root, path))),
    stream: (path) => Readable.from(piecesOf(join(root, path)), { objectMode: false }),
    resolve: (path) => join(root, path),
    cleaner: attachmentCleaner(root),
  };
}

/** The file that has the content, with everything of it on disk. */
async function flushed({ source }: StagedContent, incoming: () => string): Promise<string> {
  const path = typeof source === "string" ? source : incoming();
  const file = typeof source === "string" ? await open(path) : await create(path);
  try {
    if (typeof source !== "string") await file.writeFile(source);
    await file.sync();
  } finally {
    await file.close();
  }
  return path;
}

/** Gives a file its name by content, unless another has it. False where files cannot have two names. */
async function share(own: string, common: string): Promise<boolean> {
  const result = await tryLink(own, common);
  if (result !== "missing") return result !== "unsupported";
  await makeFolder(dirname(common));
  return (await tryLink(own, common)) !== "unsupported";
}

type LinkResult = "linked" | "exists" | "missing" | "full" | "unsupported";

const linkFailures: Readonly<Record<string, LinkResult>> = {
  EEXIST: "exists",
  ENOENT: "missing",
  EMLINK: "full",
  // A file system without hard links; a file of another user; another file system behind a symbolic link.
  EPERM: "unsupported",
  ENOTSUP: "unsupported",
  ENOSYS: "unsupported",
  EXDEV: "unsupported",
};

async function tryLink(from: string, to: string): Promise<LinkResult> {
  try {
    await link(from, to);
    return "linked";
  } catch (error) {
    const known = linkFailures[codeOf(error)];
    if (known === undefined) throw error;
    return known;
  }
}
