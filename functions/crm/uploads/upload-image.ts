import { Type } from "typebox";
import { from, problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { uploadImage } from "#lib/crm/uploads/upload.ts";
import { saying } from "../_api.ts";

const Uploaded = Type.Object({
  filename: Type.String(),
  path: Type.String(),
  url: Type.String({ description: "What LINE can show: a JPEG or PNG, also of a WebP" }),
  thumbnail_path: Type.String(),
  thumbnail_url: Type.String(),
  width: Type.Integer(),
  height: Type.Integer(),
});

export default saying("Image uploaded successfully")
  .post("/api/v1/upload/image", {
    summary: "Upload a picture",
    description:
      "JPEG, PNG or WebP by its content, at most 50 megapixels. It is turned upright, stripped and made small.",
    access: anyUser(),
    files: { file: { maxBytes: from((config) => config.uploads.maxFileBytes), description: "The picture" } },
    body: Type.Object({
      category: Type.Union([Type.Literal("templates"), Type.Literal("members")], { default: "templates" }),
      crop: Type.Optional(Type.Literal("square")),
    }),
    bodyLimit: from((config) => config.maxRequestBytes),
    concurrency: 20,
    returns: Uploaded,
    problems: [problems.unavailable],
  })
  .handle(({ body, files }, ctx) =>
    uploadImage(ctx, files.file, { category: body.category, square: body.crop === "square" }),
  );
