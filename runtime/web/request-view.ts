/** A request as its handler sees it. */
import type { HttpRequest, StringSink, UploadedFile } from "../http.ts";
import { problems } from "../problem.ts";
import type { Body } from "./body.ts";
import type { Incoming } from "./incoming.ts";

/** Its parts are filled in as they pass their checks. */
export class RequestView implements HttpRequest {
  readonly #incoming: Incoming;
  params: Record<string, unknown> | undefined;
  query: Record<string, unknown> | undefined;
  caller: unknown;
  read: Body | undefined;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
  }

  get body(): unknown {
    return this.read?.value;
  }

  get method(): string {
    return this.#incoming.method;
  }

  header(name: string): string | undefined {
    return this.#incoming.header(name);
  }

  get ip(): string | undefined {
    return this.#incoming.ip;
  }

  bodyHash(): string {
    return this.read?.hash() ?? "";
  }

  get files(): Readonly<Record<string, UploadedFile>> {
    return this.read?.files ?? {};
  }

  get large(): (text: string) => StringSink | undefined {
    return this.read?.large ?? notLarge;
  }
}

const notLarge = () => undefined;

/** Reads parameters of a query; one that is given twice is a list. */
export function queryReader(search: string): (name: string) => unknown {
  const parsed = new URLSearchParams(search);
  return (name) => {
    const values = parsed.getAll(name);
    return values.length > 1 ? values : values[0];
  };
}

export function paramReader(params: Record<string, string>): (name: string) => unknown {
  return (name) => {
    const value = params[name];
    try {
      return value?.includes("%") ? decodeURIComponent(value) : value;
    } catch {
      throw problems.invalidRequest({ details: [{ field: name, message: "is not valid percent-encoding" }] });
    }
  };
}
