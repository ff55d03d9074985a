import { Type } from "typebox";
import { anyone, http } from "../../../../runtime/index.ts";

export default http
  .get("/hello", { access: anyone, returns: Type.Object({ greeting: Type.String() }) })
  .handle(async () => ({ greeting: "Hello, bench" }));
