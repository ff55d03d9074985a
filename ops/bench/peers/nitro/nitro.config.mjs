import { defineNitroConfig } from "nitro/config";

// What is built lies where nothing looks for sources.
export default defineNitroConfig({
  buildDir: "../../node_modules/.nitro/build",
  output: { dir: "../../node_modules/.nitro/output" },
});
