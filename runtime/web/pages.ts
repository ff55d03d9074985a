/** The runtime's own pages: health of the process, metrics, and the API's documentation. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { versionsLoaded } from "../host/load.ts";
import type { Metrics } from "../host/metrics.ts";
import type { Loaded } from "../host/slot.ts";
import type { HttpTrigger } from "../triggers/http.ts";
import { Answer, jsonAnswer } from "./answer.ts";
import { openapi, type ApiInfo } from "./openapi.ts";

export interface PageOptions extends ApiInfo {
  root: string;
  metrics: Metrics;
  functions: () => readonly Loaded[];
  isReady: () => boolean;
}

/** Adds `/health/live`, `/health/ready`, `/metrics`, `/openapi.json` and `/docs`. */
export function runtimePages(http: HttpTrigger, options: PageOptions): void {
  http.page("/health/live", async () => jsonAnswer(200, { status: "live" }));
  http.page("/health/ready", async () =>
    options.isReady() ? jsonAnswer(200, { status: "ready" }) : jsonAnswer(503, { status: "not ready" }),
  );
  options.metrics.gauge(
    "runtime_versions_loaded",
    "Versions of functions that this process has loaded since its start",
    versionsLoaded,
  );
  options.metrics.gauge("runtime_ready", "Whether this process takes calls", () => Number(options.isReady()));
  http.page("/metrics", async () => {
    const { registry } = options.metrics;
    return new Answer(200, { "content-type": registry.contentType }, await registry.metrics());
  });
  http.page("/openapi.json", async () => {
    const { title, version, description } = options;
    return jsonAnswer(200, openapi({ title, version, description }, options.functions()));
  });
  http.page(
    "/docs",
    async () => new Answer(200, { "content-type": "text/html; charset=utf-8" }, docsPage(options.title)),
  );
  const swagger = dirname(createRequire(join(options.root, "package.json")).resolve("swagger-ui-dist/package.json"));
  for (const [file, type] of assets) {
    http.page(`/docs/${file}`, async () => {
      const headers = { "content-type": type, "cache-control": "public, max-age=86400" };
      return new Answer(200, headers, await readFile(join(swagger, file)));
    });
  }
}

const assets = [
  ["swagger-ui.css", "text/css; charset=utf-8"],
  ["swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
  ["favicon-32x32.png", "image/png"],
] as const;

function docsPage(title: string): string {
  const safe = title.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${safe}</title>
    <link rel="icon" href="/docs/favicon-32x32.png" />
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="docs"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script>
      SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, tryItOutEnabled: true, persistAuthorization: true });
    </script>
  </body>
</html>
`;
}
