/** A request as functions need it, from Node's server or from the web's `Request`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { H3Event } from "h3";
import { clientAddress, type TrustsProxy } from "./forwarded.ts";

export interface Incoming {
  readonly method: string;
  /** As it was sent: percent-encoded, without the query. */
  readonly path: string;
  /** Without the question mark. */
  readonly search: string;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  /** Of the client: behind trusted proxies, the one that they name. */
  readonly ip: string | undefined;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** Where the body comes from. */
  readonly source: IncomingMessage | Request;
}

/** From Node's own objects: making a `Request` and a `URL` of them costs more than routing and checking together. */
export class NodeIncoming implements Incoming {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly source: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #trustsProxy: TrustsProxy | undefined;

  /** The target must be in origin form (RFC 9112, section 3.2.1). */
  constructor(source: IncomingMessage, response: ServerResponse, trustsProxy?: TrustsProxy) {
    const target = source.url ?? "/";
    const mark = target.indexOf("?");
    this.method = source.method ?? "GET";
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.search = mark < 0 ? "" : target.slice(mark + 1);
    this.source = source;
    this.#response = response;
    this.#trustsProxy = trustsProxy;
  }

  header(name: string): string | undefined {
    const value = this.source.headers[name];
    return typeof value === "object" ? value.join(", ") : value;
  }

  get ip(): string | undefined {
    return clientAddress(this.source.socket.remoteAddress, this.header("x-forwarded-for"), this.#trustsProxy);
  }

  get signal(): AbortSignal {
    const controller = new AbortController();
    const response = this.#response;
    const gone = () => response.writableEnded || controller.abort();
    if (response.destroyed) gone();
    else response.once("close", gone);
    return controller.signal;
  }
}

/** From h3's event: requests that came by `fetch`, without a port. */
export function fromEvent({ req, url }: H3Event): Incoming {
  return {
    method: req.method,
    path: url.pathname,
    search: url.search.slice(1),
    header: (name) => req.headers.get(name) ?? undefined,
    ip: req.ip,
    get signal() {
      return req.signal;
    },
    source: req,
  };
}
