/** Runs one function in a test: contract, access and limits as in production, with the resources that the test gives. */
import { pino } from "pino";
import type { Outcome } from "./broker.ts";
import type { Clock, Resources } from "./context.ts";
import type { AnyFunction } from "./function.ts";
import { callSource } from "./host/call.ts";
import { Metrics } from "./host/metrics.ts";
import type { Loaded } from "./host/slot.ts";
import type { RuntimeSettings } from "./house.ts";
import { bareSettings, createHost } from "./runtime.ts";
import { httpTrigger } from "./triggers/http.ts";
import { deliverer } from "./triggers/queue.ts";

export interface TryOptions {
  /** Only what the function uses; what it uses beyond that is undefined. */
  resources?: Partial<Resources>;
  clock?: Clock;
  onCall?: RuntimeSettings["onCall"];
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
    /** Calls an HTTP function. A body that is not a string is sent as JSON. */
    async fetch(path: string, init: Omit<RequestInit, "body"> & { body?: unknown } = {}): Promise<Response> {
      const http = httpTrigger(host);
      await http.mount(loaded);
      const { body, ...rest } = init;
      const headers = new Headers(init.headers);
      if (body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
      const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      return heldOpen(
        http.fetch(
          new Request(new URL(path, "http://localhost"), {
            method: definition.kind === "http" ? definition.method : "GET",
            ...rest,
            headers,
            ...(text !== undefined && { body: text }),
          }),
        ),
      );
    },

    /** Hands a message to a queue function; returns what became of it. */
    async deliver(message: unknown, attempt = 1): Promise<Outcome> {
      if (definition.kind !== "queue") throw new Error("This is not a queue function");
      return heldOpen(deliverer(host, { ...loaded, definition })({ message, attempt }));
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
