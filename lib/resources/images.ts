/** Pictures that are shown to others: read with care, made small, stripped of what they tell, and stored for good. */
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Sharp } from "sharp";
import { create, flushFolders } from "./disk.ts";
import { makeFolder } from "./folder.ts";

export type ImageFormat = "jpeg" | "png" | "webp";

export interface StoredImage {
  /** Name of the file that LINE can show: a JPEG or PNG. */
  filename: string;
  thumbnail: string;
  width: number;
  height: number;
}

export interface StoreImage {
  /** The file as it came. */
  path: string;
  /** Folder under the root: `images/members`. */
  folder: string;
  /** What the names of its files begin with. */
  name: string;
  square: boolean;
  formats: readonly ImageFormat[];
}

/** It cannot be shown: `reason` says why, of the picture and to whoever sent it. */
export class NotShowable extends Error {
  readonly reason: string;
  constructor(reason: string, cause?: unknown) {
    super(`A picture ${reason}`, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

export interface Images {
  readonly root: string;
  /** Returns once all its files are on disk for good. Throws `NotShowable`. One picture at a time is in memory. */
  store(image: StoreImage): Promise<StoredImage>;
}

const mostPixels = 50_000_000;
/** Pixels, at most. What is higher than this is no picture that a phone shows, and JPEG ends at 65,535. */
const size = { width: 1200, height: 12_000, thumbnail: 800 };
const quality = 80;
const extensions = { jpeg: "jpg", png: "png", webp: "webp" } as const;

/**
 * Opens the store. libvips is told to keep nothing, to use one thread, and to read nothing but these three formats: it
 * knows dozens, and each is a way in.
 */
export function openImages(root: string): Images {
  let last: Promise<unknown> = Promise.resolve();
  let opened: Promise<Library> | undefined;
  return {
    root,
    store(image) {
      const turn = last.then(async () => store(await (opened ??= openLibrary()), root, image));
      last = turn.catch(() => {});
      return turn;
    },
  };
}

type Library = (typeof import("sharp"))["default"];

/** When the first picture comes: it takes 30 MB, and most processes never see one. */
async function openLibrary(): Promise<Library> {
  const { default: sharp } = await import("sharp");
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: ["VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp"] });
  return sharp;
}

async function store(sharp: Library, root: string, image: StoreImage): Promise<StoredImage> {
  const { name, files, width, height } = await readable(() => shrink(sharp, image));
  const folder = join(root, image.folder);
  await makeFolder(folder);
  const written: string[] = [];
  try {
    for (const [filename, content] of files) {
      await write(folder, filename, content);
      written.push(filename);
    }
    await flushFolders(root, folder);
  } catch (error) {
    await Promise.all(written.map((filename) => rm(join(folder, filename), { force: true })));
    throw error;
  }
  return { filename: name.shown, thumbnail: name.thumbnail, width, height };
}

interface Shrunk {
  name: { shown: string; thumbnail: string };
  files: [filename: string, content: Buffer][];
  width: number;
  height: number;
}

async function shrink(sharp: Library, { path, name, square, formats }: StoreImage): Promise<Shrunk> {
  const format = await formatOf(path);
  if (!format || !formats.includes(format)) throw new NotShowable(`must be a picture of these: ${formats.join(", ")}`);
  const source = () => sharp(path, { limitInputPixels: mostPixels, failOn: "error" }).timeout({ seconds: 20 });
  // Of its header alone: what would be too large is never decoded.
  const header = await sharp(path, { limitInputPixels: false }).metadata();
  if (header.width * header.height > mostPixels) throw new NotShowable("must have at most 50 megapixels");
  const side = Math.min(size.width, header.width, header.height);
  const made = () => {
    const upright = source().autoOrient();
    if (square) return upright.resize({ width: side, height: side, fit: "cover" });
    return upright.resize({ width: size.width, height: size.height, fit: "inside", withoutEnlargement: true });
  };
  // LINE shows JPEG and PNG.
  const shown = format === "png" ? "png" : "jpeg";
  const { data, info } = await encoded(made(), shown).toBuffer({ resolveWithObject: true });
  const small = sharp(data).resize({
    width: size.thumbnail,
    height: size.height,
    fit: "inside",
    withoutEnlargement: true,
  });
  const names = { shown: `${name}.${extensions[shown]}`, thumbnail: `${name}_thumb.${extensions[shown]}` };
  const files: Shrunk["files"] = [
    [names.thumbnail, await encoded(small, shown).toBuffer()],
    [names.shown, data],
  ];
  if (format === "webp") files.push([`${name}.webp`, await encoded(made(), "webp").toBuffer()]);
  return { name: names, files, width: info.width, height: info.height };
}

function encoded(picture: Sharp, format: ImageFormat): Sharp {
  if (format === "jpeg") return picture.flatten({ background: "white" }).jpeg({ quality, mozjpeg: false });
  return format === "png" ? picture.png({ compressionLevel: 9 }) : picture.webp({ quality });
}

/** By its first bytes, whatever it is called. */
async function formatOf(path: string): Promise<ImageFormat | undefined> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(12), 0, 12, 0);
    const start = buffer.subarray(0, bytesRead).toString("latin1");
    if (start.startsWith("\xff\xd8\xff")) return "jpeg";
    if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
    return start.startsWith("RIFF") && start.endsWith("WEBP") ? "webp" : undefined;
  } finally {
    await file.close();
  }
}

/** What libvips cannot read is no picture; what it says of it is not for everybody. */
async function readable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NotShowable || (error instanceof Error && "syscall" in error)) throw error;
    throw new NotShowable("cannot be read as a picture", error);
  }
}

/** Under a name of its own until all of it is on disk: whoever sees the file sees all of it. */
async function write(folder: string, filename: string, content: Buffer): Promise<void> {
  const path = join(folder, `.${filename}`);
  const file = await create(path);
  try {
    await file.writeFile(content);
    await file.datasync();
    await file.close();
    await rename(path, join(folder, filename));
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}
