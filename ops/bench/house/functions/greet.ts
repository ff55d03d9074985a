import { Type } from "typebox";
import { anyone, http } from "../../../../runtime/index.ts";

export default http
  .get("/hello", {
    access: anyone,
    query: Type.Object({ name: Type.String() }),
    returns: Type.Object({ greeting: Type.String() }),
  })
  .handle(async ({ query }) => ({ greeting: `Hello, ${query.name}` }));
