/** Uploads of pictures, for templates and of members. */
import type { Context } from "../../../runtime/context.ts";
import type { UploadedFile } from "../../../runtime/http.ts";
import { NotShowable } from "../../resources/images.ts";
import { invalid } from "../problems.ts";

export const categories = ["templates", "members"] as const;
export type Category = (typeof categories)[number];

/** Names that uploads have, and nothing else does. */
export const imageName = String.raw`^\d{8}_\d{6}_[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}(_thumb)?\.(jpg|png|webp)$`;

const types: Readonly<Record<string, string>> = { jpg: "image/jpeg", png: "image/png", webp: "image/webp" };

/** Media type of an upload by its name, which is ours. */
export function typeOfImage(name: string): string {
  return types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}

export interface UploadedImage {
  filename: string;
  /** Below the folder of uploads. */
  path: string;
  url: string;
  thumbnail_path: string;
  thumbnail_url: string;
  width: number;
  height: number;
}

/** Stores a picture; returns once it is on disk for good. Throws `invalid_request` for what is none. */
export async function uploadImage(
  { clock, images, config }: Pick<Context, "clock" | "images" | "config">,
  file: UploadedFile,
  { category, square }: { category: Category; square: boolean },
): Promise<UploadedImage> {
  const folder = `images/${category}`;
  const [day, time] = clock.now().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").split("T");
  const name = `${day}_${time}_${clock.uuid()}`;
  try {
    const stored = await images.store({ path: file.path, folder, name, square, formats: config.uploads.imageTypes });
    const path = `${folder}/${stored.filename}`;
    const thumbnail = `${folder}/${stored.thumbnail}`;
    const at = `${config.publicUrl}/static/uploads`;
    return {
      filename: stored.filename,
      path,
      url: `${at}/${path}`,
      thumbnail_path: thumbnail,
      thumbnail_url: `${at}/${thumbnail}`,
      width: stored.width,
      height: stored.height,
    };
  } catch (error) {
    if (error instanceof NotShowable) throw invalid({ field: "file", message: error.reason });
    throw error;
  }
}
