/** The HTTP trigger: routes, limits and replies on h3. */
import { H3 } from "h3";
import { addRoute, createRouter, findRoute, removeRoute } from "rou3";
import { settle } from "../context.ts";
import type { Host } from "../host/host.ts";
import type { Fault } from "../host/load.ts";
import { Slot, Version, type Loaded } from "../host/slot.ts";
import type { HttpFunction, Method } from "../http.ts";
import { problems } from "../problem.ts";
import { problemDetails, type Style } from "../style.ts";
import { Answer, problemAnswer, toResponse } from "../web/answer.ts";
import { corsOf } from "../web/cors.ts";
import { fromEvent, type Incoming } from "../web/incoming.ts";
import { compileContract, HttpCall, type HttpSlot, type HttpVersion, type RawParams } from "../web/http-call.ts";
import { requestId } from "../web/request-id.ts";
import { compile } from "../web/validate.ts";
import { trials } from "./trials.ts";
import type { Trigger } from "./trigger.ts";

const methods: readonly Method[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** Answers a request by calling `reply` once: a callback, because a promise in between would be the third of each request. */
export type Dispatch = (incoming: Incoming, reply: (answer: Answer) => void) => void;

export interface HttpTrigger extends Trigger {
  /** Answers a request by h3's application. */
  fetch(request: Request): Response | Promise<Response>;
  /** What that application does with a request: for a server that has its own. */
  readonly dispatch: Dispatch;
  /** Adds a page of the runtime itself, such as `/metrics`. Not a function: it has no limits and no versions. */
  page(path: string, answer: () => Promise<Answer>): void;
}

export function httpTrigger(host: Host): HttpTrigger {
  const router = createRouter<HttpSlot>();
  const slots = new Map<string, HttpSlot>();
  const pages = new Map<string, () => Promise<Answer>>();
  const app = new H3({ allowMalformedURL: true, silent: true });
  // In place of h3's own router: routes come and go here, and one look-up is enough.
  app.handler = (event) =>
    new Promise((resolve) => dispatch(fromEvent(event), (answer) => resolve(toResponse(answer))));

  const cors = corsOf(host.corsOrigins);

  function dispatch(incoming: Incoming, answered: (answer: Answer) => void): void {
    const reply = cors ? (answer: Answer) => answered(cors(incoming, answer)) : answered;
    const { method } = incoming;
    const found = findRoute(router, method === "HEAD" ? "GET" : method, incoming.path);
    if (found) return call(host, found.data, incoming, found.params, reply);
    const page = method === "GET" || method === "HEAD" ? pages.get(incoming.path) : undefined;
    if (!page) return reply(missing(incoming));
    page().then(reply, (error: unknown) => {
      host.log.error({ err: error, path: incoming.path }, "a page failed");
      reply(problemAnswer(problemDetails, problems.internal(), requestId(incoming)));
    });
  }

  /** 404, or 405 with the methods that would do, in the style of the API whose addresses come nearest. */
  function missing(incoming: Incoming): Answer {
    const path = incoming.path;
    const allowed = pages.has(path) ? ["GET"] : methods.filter((method) => findRoute(router, method, path));
    const style = nearestStyle(path);
    if (allowed.length === 0) return problemAnswer(style, problems.notFound(), requestId(incoming));
    const allow = allowed.includes("GET") ? [...allowed, "HEAD"] : allowed;
    if (incoming.method === "OPTIONS") return new Answer(204, { allow: allow.join(", ") }, null);
    const problem = problems.methodNotAllowed({ headers: { allow: allow.join(", ") } });
    return problemAnswer(style, problem, requestId(incoming));
  }

  function nearestStyle(path: string): Style {
    const wanted = path.split("/");
    let best: { style: Style; shared: number } = { style: problemDetails, shared: 1 };
    for (const slot of slots.values()) {
      const parts = slot.current.loaded.definition.path.split("/");
      let shared = 0;
      while (shared < parts.length && parts[shared] === wanted[shared]) shared++;
      if (shared > best.shared) best = { style: slot.current.compiled.style, shared };
    }
    return best.style;
  }

  return {
    kind: "http",
    dispatch,
    fetch: (request) => app.fetch(request),
    page: (path, answer) => void pages.set(path, answer),
    check: (functions) => checkRoutes(functions.filter(isHttp)),

    async mount(loaded) {
      if (!isHttp(loaded)) return;
      const version: HttpVersion = new Version(loaded, compileContract(host, loaded.definition));
      const slot = slots.get(loaded.name);
      if (slot) {
        const { method, path } = slot.current.loaded.definition;
        const moved = method !== loaded.definition.method || path !== loaded.definition.path;
        if (moved) addRoute(router, loaded.definition.method, loaded.definition.path, slot);
        host.background(slot.swap(version));
        if (moved) removeRoute(router, method, path);
        return;
      }
      const stats = host.metrics.of(loaded.name, "http");
      const log = host.log.child({ function: loaded.name });
      const made: HttpSlot = Object.assign(new Slot(loaded.name, version), { stats, log });
      stats.inflight = () => made.inflight;
      stats.running = made;
      slots.set(loaded.name, made);
      addRoute(router, loaded.definition.method, loaded.definition.path, made);
    },

    ...trials(host, {
      slot: (name) => slots.get(name),
      is: isHttp,
      compile: (definition) => compileContract(host, definition),
      way: ({ method, path }) => `${method} ${path}`,
    }),

    async unmount(name) {
      const slot = slots.get(name);
      if (!slot) return;
      slots.delete(name);
      slot.stats.running = undefined;
      const { method, path } = slot.current.loaded.definition;
      removeRoute(router, method, path);
      await slot.drain();
    },

    async drain() {
      await Promise.all([...slots.values()].map((slot) => slot.drain()));
    },

    describe: (definition) => {
      if (definition.kind !== "http") return { where: "", access: "", limits: "" };
      const { contract, method, path } = definition;
      const limits = [
        `${settle(contract.concurrency ?? host.defaults.concurrency, host.resources)} at once`,
        `${settle(contract.timeLimitMs ?? host.defaults.timeLimitMs, host.resources) / 1000} s`,
      ];
      if (contract.body) {
        limits.push(`${settle(contract.bodyLimit ?? host.defaults.bodyLimit, host.resources) / 2 ** 20} MB`);
      }
      return { where: `${method} ${path}`, access: contract.access.name, limits: limits.join(", ") };
    },
  };
}

function isHttp(loaded: Loaded): loaded is Loaded<HttpFunction> {
  return loaded.definition.kind === "http";
}

function checkRoutes(functions: readonly Loaded<HttpFunction>[]): Fault[] {
  const faults: Fault[] = [];
  const taken = new Map<string, string>();
  for (const { definition, file } of functions) {
    const { method, path, contract } = definition;
    if (!path.startsWith("/")) faults.push({ file, message: `its path "${path}" must start with /` });
    const route = `${method} ${path.replaceAll(/:[^/]+/g, ":")}`;
    const other = taken.get(route);
    if (other) faults.push({ file, message: `${method} ${path} is taken by ${other}` });
    taken.set(route, file);
    const named = [...path.matchAll(/:([^/]+)/g)].map((match) => match[1] ?? "");
    const described = Object.keys((contract.params as { properties?: object } | undefined)?.properties ?? {});
    for (const name of described.filter((param) => !named.includes(param))) {
      faults.push({ file, message: `its contract has a parameter "${name}" that is not in the path ${path}` });
    }
    for (const schema of ["params", "query", "body", "returns"] as const) {
      const problem = contract[schema] && compileFault(contract[schema]);
      if (problem) faults.push({ file, message: `its ${schema} schema does not compile: ${problem}` });
    }
  }
  return faults;
}

function compileFault(schema: Parameters<typeof compile>[0]): string | undefined {
  try {
    compile(schema);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Starts a call on the version whose turn it is, or sheds it. */
function call(
  host: Host,
  slot: HttpSlot,
  incoming: Incoming,
  params: RawParams,
  reply: (answer: Answer) => void,
): void {
  const version = slot.next();
  const { compiled, inflight } = version;
  if (inflight < compiled.concurrency) return new HttpCall(host, slot, version, incoming, reply).run(params);
  slot.stats.shed++;
  const problem = problems.overloaded({ headers: { "retry-after": "1" } });
  reply(problemAnswer(compiled.style, problem, requestId(incoming)));
}
