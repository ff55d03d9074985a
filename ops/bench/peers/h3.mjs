// Bare h3, as the project has it: not the older one that Nitro brings along.
import { createRequire } from "node:module";

const { H3, serve } = createRequire(new URL("../../../package.json", import.meta.url))("h3");

const app = new H3().get("/hello", () => ({ greeting: "Hello, bench" }));
serve(app, { port: Number(process.env.PORT), hostname: "127.0.0.1", silent: true });
