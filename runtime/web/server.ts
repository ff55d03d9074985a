/** The HTTP server: h3's own in production, listhen in development. Both are stopped by us, not by themselves. */
import type { RequestListener, Server } from "node:http";
import { serve, type H3 } from "h3";
import { listen } from "listhen";
import { toNodeHandler } from "srvx/node";
import { OperatorError } from "../house.ts";

export interface HttpServer {
  readonly url: string;
  readonly port: number;
  /** Closes the door; connections end with their current request. Resolves once all have. */
  stopAccepting(): Promise<void>;
  /** Cuts the connections that are left. */
  cut(): void;
}

export interface ServeOptions {
  port: number;
  host?: string;
}

/** Longer than a proxy keeps idle connections (HAProxy and nginx: 60 s), so that the proxy is the one to close. */
const keepAliveTimeoutMs = 65_000;

/** Serves with h3's server: 0.91 of bare `node:http`, where listhen reaches 0.84. Throws a sentence when the port is taken. */
export async function serveProduction(app: H3, options: ServeOptions): Promise<HttpServer> {
  const served = serve(app, {
    port: options.port,
    ...(options.host !== undefined && { hostname: options.host }),
    gracefulShutdown: false,
    silent: true,
    manual: true,
    node: { keepAliveTimeout: keepAliveTimeoutMs, requestTimeout: 120_000, headersTimeout: 30_000 },
  });
  try {
    await served.serve();
  } catch (error) {
    throw listenError(error, options);
  }
  return managed(served.node?.server as Server, options);
}

/** Serves with listhen, for `fn dev`. */
export async function serveDevelopment(app: H3, options: ServeOptions): Promise<HttpServer> {
  // srvx types its handler for HTTP/2 too; listhen calls it with the same pair as node:http.
  const handler = toNodeHandler(app.fetch) as unknown as RequestListener;
  try {
    const listener = await listen(handler, {
      port: { port: options.port, alternativePortRange: [options.port, options.port] },
      ...(options.host !== undefined && { hostname: options.host }),
      autoClose: false,
      showURL: false,
      ws: false,
    });
    return managed(listener.server as Server, options);
  } catch (error) {
    throw listenError(error, options);
  }
}

function managed(server: Server, options: ServeOptions): HttpServer {
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  let stopping = false;
  server.prependListener("request", (_request, response) => {
    if (stopping) response.shouldKeepAlive = false;
  });
  return {
    port,
    url: `http://localhost:${port}`,
    stopAccepting() {
      stopping = true;
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      });
    },
    cut: () => server.closeAllConnections(),
  };
}

function listenError(error: unknown, { port }: ServeOptions): Error {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE" || (error instanceof Error && error.name === "GetPortError")) {
    return new OperatorError(`Port ${port} is in use. Stop what uses it, or set API_PORT to another port.`);
  }
  if (code === "EACCES")
    return new OperatorError(`Port ${port} may not be opened by this user. Set API_PORT above 1023.`);
  return error instanceof Error ? error : new Error(String(error));
}
