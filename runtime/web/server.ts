/** The HTTP server: h3's own in production, listhen in development. Both are stopped by us, not by themselves. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { OperatorError } from "../house.ts";
import { pipeline, Readable } from "node:stream";
import type { Dispatch } from "../triggers/http.ts";
import type { Answer } from "./answer.ts";
import type { TrustsProxy } from "./forwarded.ts";
import { NodeIncoming } from "./incoming.ts";

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
  trustsProxy?: TrustsProxy;
}

/** Longer than a proxy keeps idle connections (HAProxy and nginx: 60 s), so that the proxy is the one to close. */
const keepAliveTimeout = 65_000;

/** Serves in production. Throws a sentence when the port is taken. */
export async function serveProduction(dispatch: Dispatch, options: ServeOptions): Promise<HttpServer> {
  const door = { closing: false };
  const limits = { keepAliveTimeout, requestTimeout: 120_000, headersTimeout: 30_000 };
  const server = createServer(limits, listenerOf(dispatch, door, options));
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error) => reject(listenError(error, options)));
  server.listen(options.port, options.host, resolve);
  await listening;
  return managed(server, options, door);
}

/** Serves with listhen, for `fn dev`. */
export async function serveDevelopment(dispatch: Dispatch, options: ServeOptions): Promise<HttpServer> {
  const door = { closing: false };
  // Only here: nobody else is to pay for what it brings along.
  const { listen } = await import("listhen");
  try {
    const { server } = await listen(listenerOf(dispatch, door, options), {
      port: { port: options.port, alternativePortRange: [options.port, options.port] },
      ...(options.host !== undefined && { hostname: options.host }),
      autoClose: false,
      showURL: false,
      ws: false,
    });
    return managed(server as Server, options, door);
  } catch (error) {
    throw listenError(error, options);
  }
}

/**
 * Straight from Node's request to the function and back. Bare h3 by its own `serve` is at 0.89 of `node:http` (ops/bench):
 * a `Request`, a `URL`, a second look at the answer, and two writes for it. Without those, a function with its routing,
 * limits, metrics and request id is at 0.84.
 */
function listenerOf(dispatch: Dispatch, door: Door, { trustsProxy }: ServeOptions): RequestListener {
  return (req, res) => {
    if (!req.url?.startsWith("/")) {
      res.writeHead(400).end();
      return;
    }
    dispatch(new NodeIncoming(req, res, trustsProxy), (answer) => {
      if (door.closing || asksForUpgrade(req)) res.shouldKeepAlive = false;
      send(res, answer);
    });
  };
}

/**
 * To another protocol, which is ignored here (RFC 9110, section 7.8). On a connection that has once been asked for one, Node's
 * parser keeps what is wrong with later requests to itself: they would wait in vain for their 400.
 */
const asksForUpgrade = (req: IncomingMessage): boolean => req.headers.upgrade !== undefined;

/** Whether the server is closing: an answer then tells its client not to send another request on that connection. */
interface Door {
  closing: boolean;
}

/** How often connections are closed that have become idle while the server closes, in milliseconds. */
const sweepMs = 50;

function send(res: ServerResponse, { status, headers, body }: Answer): unknown {
  if (body === null) return res.writeHead(status, headers).end();
  if (body instanceof Readable) return sendStream(res.writeHead(status, headers), body);
  const length = Buffer.byteLength(body);
  headers["content-length"] = String(length);
  // As many bytes as characters is ASCII, which Node writes faster when it is told so.
  return res.writeHead(status, headers).end(body, length === body.length ? "latin1" : "utf8");
}

/** How long a client may take nothing of a stream before it is left, in milliseconds. */
const streamIdleMs = 120_000;

/** Whatever ends, ends the other: a client that leaves its stream, a stream that fails its client. */
function sendStream(res: ServerResponse, body: Readable): void {
  // The client left before its answer was there: `pipeline` throws for what has been closed already.
  if (res.destroyed) return void body.destroy();
  res.setTimeout(streamIdleMs, () => res.destroy());
  pipeline(body, res, () => {});
}

function managed(server: Server, options: ServeOptions, door: Door): HttpServer {
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return {
    port,
    url: `http://localhost:${port}`,
    stopAccepting() {
      door.closing = true;
      return new Promise((resolve) => {
        // Node closes what is idle at this moment only; an answer that was under way leaves its connection open.
        const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
        server.close(() => {
          clearInterval(sweep);
          resolve();
        });
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
