/** A house of two functions and no resources: what the runtime itself costs. */
import type { Resources } from "../../../runtime/context.ts";
import { defineHouse } from "../../../runtime/house.ts";
import { defaultLimits } from "../../../runtime/host/create.ts";

interface Config {
  port: number;
  functions: readonly string[];
}

export default defineHouse({
  title: "Bench",
  version: "0",
  readConfig: (env): Config => ({ port: Number(env["API_PORT"]), functions: [env["FUNCTIONS"] ?? "*"] }),
  logging: () => ({ level: "info", pretty: false }),
  // The program's types are those of the project's own house; the two functions here ask for none of its resources.
  open: async (config: Config) => ({ config }) as unknown as Resources,
  settings: ({ config: { port, functions } }) => ({
    functions,
    http: { port, host: "127.0.0.1" },
    production: true,
    defaults: defaultLimits,
    noticeMs: 0,
    drainMs: 1000,
  }),
  migrate: async () => [],
});
