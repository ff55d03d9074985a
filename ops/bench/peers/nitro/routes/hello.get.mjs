import { defineHandler, getValidatedQuery } from "nitro/h3";
import { z } from "zod";

const Query = z.object({ name: z.string() });

export default defineHandler(async (event) => {
  const { name } = await getValidatedQuery(event, Query);
  return { greeting: `Hello, ${name}` };
});
