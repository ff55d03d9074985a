/** Runs one function in a test: contract, access and limits as in production, with the resources that the test gives. */
import { pino } from "pino";
import type { Outcome } from "./broker.ts";
import type { Clock, Resources } from "./context.ts";
import type { AnyFunction } from "./function.ts";
import { callSource } from "./host/call.ts";
import { Metrics } from "./host/metrics.ts";
import type { Loaded } from "./host/slot.ts";
import type { RuntimeSettings } from "./house.ts";
import { bareSettings, createHost } from "./host/create.ts";
import { httpTrigger } from "./triggers/http.ts";
import { deliverer } from "./triggers/queue.ts";
import { smtpTrigger } from "./triggers/smtp.ts";
import type { Received, SmtpSession } from "./smtp.ts";

export interface TryOptions {
  /** Only what the function uses; what it uses beyond that is undefined. */
  resources?: Partial<Resources>;
  clock?: Clock;
  onCall?: RuntimeSettings["onCall"];
}

/** A mail as it is handed to an SMTP function. */
export interface TriedMail {
  from?: string;
  to?: readonly string[];
  /** RFC 5322, with its line ends CRLF. */
  message: string | Buffer;
  session?: Partial<SmtpSession>;
}

/**
 * Mounts a function by itself.
 *
 * @example
 * const response = await tryFunction(hello).fetch("/hello?name=Ada");
 */
export function tryFunction(definition: AnyFunction, { resources = {}, clock, onCall }: TryOptions = {}) {
  const log = pino({ level: "silent" });
  const settings = onCall ? { ...bareSettings, onCall } : bareSettings;
  const host = createHost(
    // A test vouches for giving what its function uses.
    { settings, resources: resources as Resources, log, ...(clock && { clock }) },
    new Metrics(),
  );
  const loaded: Loaded = { name: "tried", file: "tried.ts", definition, hash: "test", inputs: [] };
  return {
    /** Calls an HTTP function. A body that is neither text nor a form is sent as JSON. */
    async fetch(path: string, init: Omit<RequestInit, "body"> & { body?: unknown } = {}): Promise<Response> {
      const http = httpTrigger(host);
      await http.mount(loaded);
      const { body, ...rest } = init;
      const headers = new Headers(init.headers);
      const form = body instanceof FormData ? new Response(body) : undefined;
      const type = form?.headers.get("content-type") ?? "application/json";
      if (body !== undefined && !headers.has("content-type")) headers.set("content-type", type);
      const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      // As bytes: undici throws where nobody catches it when a form that it encodes is not read to its end.
      const sent = form ? await form.arrayBuffer() : text;
      return heldOpen(
        http.fetch(
          new Request(new URL(path, "http://localhost"), {
            method: definition.kind === "http" ? definition.method : "GET",
            ...rest,
            headers,
            ...(sent !== undefined && { body: sent }),
          }),
        ),
      );
    },

    /** Hands a message to a queue function; returns what became of it. */
    async deliver(message: unknown, attempt = 1): Promise<Outcome> {
      if (definition.kind !== "queue") throw new Error("This is not a queue function");
      return heldOpen(deliverer(host, { ...loaded, definition })({ message, attempt }));
    },

    /** Hands a mail to an SMTP function; returns what it answers. */
    async receive({
      from = "ann@example.com",
      to = ["bob@example.org"],
      message,
      session,
    }: TriedMail): Promise<Received> {
      if (definition.kind !== "smtp") throw new Error("This is not an SMTP function");
      const { access } = definition.contract;
      const ctx = host.newContext(callSource(log, {}));
      const seen = { remoteAddress: "127.0.0.1", secure: false, credentials: undefined, ...session };
      const caller = await access.check(seen, ctx);
      await access.sender?.(from, caller, ctx);
      for (const one of to) await access.recipient?.(one, caller, ctx);
      const pieces = (async function* () {
        yield Buffer.from(message);
      })();
      const { remoteAddress } = seen;
      // What `smtp` has promised of its handler.
      return (await definition.handler(
        { envelope: { from, to }, message: pieces, caller, remoteAddress },
        ctx,
      )) as Received;
    },

    /** Opens the ports of an SMTP function. A function that is mounted in its place takes over from the next mail on. */
    async listen(): Promise<{
      mount(next: AnyFunction): Promise<void>;
      close(): Promise<void>;
      metrics(): Promise<string>;
    }> {
      const trigger = smtpTrigger(host);
      const faults = trigger.check([loaded]);
      if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join());
      await trigger.mount(loaded);
      return {
        mount: (next) => trigger.mount({ ...loaded, definition: next, hash: "next" }),
        close: () => trigger.drain(),
        metrics: () => host.metrics.registry.metrics(),
      };
    },

    /** Runs a schedule function for one tick. */
    async tick(at: Date): Promise<void> {
      if (definition.kind !== "schedule") throw new Error("This is not a schedule function");
      await definition.handler({ at }, host.newContext(callSource(log, {})));
    },
  };
}

/** Keeps the process alive meanwhile: the host's own timers do not, and a test has no server that would. */
async function heldOpen<T>(work: T | Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
