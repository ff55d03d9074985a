import { Type } from "typebox";
import { anyone, fileIn, fileOf } from "#runtime";
import { imageName, typeOfImage } from "#lib/crm/uploads/upload.ts";
import { crmApi } from "../_api.ts";

export default crmApi
  .get("/static/uploads/images/:category/:name", {
    summary: "An uploaded picture",
    description: "Open to anyone who has its address: LINE fetches it from there.",
    access: anyone,
    params: Type.Object({
      category: Type.Union([Type.Literal("templates"), Type.Literal("members")]),
      name: Type.String({ pattern: imageName }),
    }),
    returns: fileOf("image/*"),
  })
  .handle(({ params }, { images }) =>
    fileIn(images.root, `images/${params.category}/${params.name}`, {
      type: typeOfImage(params.name),
      // A name is given once, and what is under it never changes.
      cacheControl: "public, max-age=31536000, immutable",
    }),
  );
