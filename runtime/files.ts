/** Replies that are files: streamed from disk, told apart by their ETag, in part where a client asks for that. */
import { resolve, sep } from "node:path";
import { Type } from "typebox";

export interface FileOptions {
  /** Media type. */
  type: string;
  /** The name under which a browser saves it in place of showing it. */
  saveAs?: string;
  /** Cache-Control. Default `no-store`: what is for everybody says so. */
  cacheControl?: string;
  headers?: Readonly<Record<string, string>>;
}

export class FileReply {
  /** What it has to lie in, wherever links lead. */
  readonly folder: string;
  readonly path: string | undefined;
  readonly options: FileOptions;
  constructor(folder: string, path: string | undefined, options: FileOptions) {
    this.folder = folder;
    this.path = path;
    this.options = options;
  }
}

/**
 * Answers with a file of a folder; a name that leads out of the folder, also by a linked folder, a link, or one that is not
 * there is a 404. The folder itself may be a link.
 * HEAD, `If-None-Match`, `Range` and `If-Range` are seen to (RFC 9110).
 *
 * @example
 * .handle(({ params }, { config }) => fileIn(config.uploads.folder, params.name, { type: "image/png" }));
 */
export function fileIn(folder: string, name: string, options: FileOptions): FileReply {
  const root = resolve(folder);
  const path = name.includes("\0") ? root : resolve(root, name);
  return new FileReply(root, path.startsWith(root + sep) ? path : undefined, options);
}

/** What a contract `returns` for a reply that is a file; of several kinds: `image/*`. */
export function fileOf(type: string) {
  return Type.Unsafe<FileReply>({ type: "string", contentMediaType: type, format: "binary" });
}
