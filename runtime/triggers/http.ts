/** The HTTP trigger: routes, limits and replies on h3. */
import { createHash } from "node:crypto";
import { H3, getQuery, type H3Event } from "h3";
import { addRoute, createRouter, findRoute, removeRoute } from "rou3";
import { FastResponse } from "srvx";
import type { Access } from "../access.ts";
import { settle, type Context, type Logger } from "../context.ts";
import type { HostCall } from "../host/call.ts";
import type { Fault } from "../host/load.ts";
import type { CallStats } from "../host/metrics.ts";
import { Slot, Version, type Loaded } from "../host/slot.ts";
import type { Host } from "../host/host.ts";
import type { Limited } from "../host/time-limits.ts";
import { Reply, type HttpFunction, type Method } from "../http.ts";
import { Problem, problems } from "../problem.ts";
import { problemDetails, type Style } from "../style.ts";
import { ClientGone, readJson, type Body } from "../web/body.ts";
import { coercion, compile, type Checker, type Coerce } from "../web/validate.ts";
import type { Trigger } from "./trigger.ts";

const methods: readonly Method[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** A contract made ready for the hot path. */
interface Compiled {
  params: { coerce: Coerce; checker: Checker } | undefined;
  query: { coerce: Coerce; checker: Checker } | undefined;
  body: Checker | undefined;
  bodyLimit: number;
  returns: Checker | undefined;
  status: number;
  concurrency: number;
  timeLimitMs: number;
  access: Access<unknown>;
  style: Style;
  handler: HttpFunction["handler"];
}

type HttpSlot = Slot<HttpFunction, Compiled> & { stats: CallStats; log: Logger };
type HttpVersion = Version<HttpFunction, Compiled>;

export interface HttpTrigger extends Trigger {
  fetch(request: Request): Response | Promise<Response>;
  readonly app: H3;
  /** Adds a page of the runtime itself, such as `/metrics`. Not a function: it has no limits and no versions. */
  page(path: string, answer: (event: H3Event) => Response | Promise<Response>): void;
}

/** Starts a request id; the rest is a counter. Unique across processes, and nothing to compute per request. */
const bootId = `${Date.now().toString(36)}${process.pid.toString(36)}`;
let requests = 0;

const requestIdPattern = /^[\w.:-]{1,64}$/;

export function httpTrigger(host: Host): HttpTrigger {
  const router = createRouter<HttpSlot>();
  const slots = new Map<string, HttpSlot>();
  const pages = new Map<string, (event: H3Event) => Response | Promise<Response>>();
  const app = new H3({ allowMalformedURL: true, silent: true });
  app.all("/**", dispatch);

  function dispatch(event: H3Event): Response | Promise<Response> {
    const { method } = event.req;
    const found = findRoute(router, method === "HEAD" ? "GET" : method, event.url.pathname);
    if (found) return call(host, found.data, event, found.params);
    const page = pages.get(event.url.pathname);
    if (page && (method === "GET" || method === "HEAD")) return page(event);
    return missing(event);
  }

  /** 404, or 405 with the methods that would do, in the style of the API whose addresses come nearest. */
  function missing(event: H3Event): Response {
    const path = event.url.pathname;
    const allowed = methods.filter((method) => findRoute(router, method, path));
    const style = nearestStyle(path);
    if (allowed.length === 0) return problemResponse(style, problems.notFound(), requestId(event));
    const allow = allowed.includes("GET") ? [...allowed, "HEAD"] : allowed;
    if (event.req.method === "OPTIONS")
      return new FastResponse(null, { status: 204, headers: { allow: allow.join(", ") } });
    const problem = problems.methodNotAllowed({ headers: { allow: allow.join(", ") } });
    return problemResponse(style, problem, requestId(event));
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
    app,
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
      slots.set(loaded.name, made);
      addRoute(router, loaded.definition.method, loaded.definition.path, made);
    },

    async unmount(name) {
      const slot = slots.get(name);
      if (!slot) return;
      slots.delete(name);
      const { method, path } = slot.current.loaded.definition;
      removeRoute(router, method, path);
      await slot.idle();
    },

    async drain() {
      await Promise.all([...slots.values()].map((slot) => slot.idle()));
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

function compileContract(host: Host, { contract, style, handler }: HttpFunction): Compiled {
  const { resources, defaults } = host;
  const part = (schema: typeof contract.params) => schema && { coerce: coercion(schema), checker: compile(schema) };
  const status = contract.status ?? 200;
  return {
    params: part(contract.params),
    query: part(contract.query),
    body: contract.body && compile(contract.body),
    bodyLimit: settle(contract.bodyLimit ?? defaults.bodyLimit, resources),
    returns: host.checkReplies ? compile(contract.returns) : undefined,
    status: typeof status === "number" ? status : (status[0] ?? 200),
    concurrency: settle(contract.concurrency ?? defaults.concurrency, resources),
    timeLimitMs: settle(contract.timeLimitMs ?? defaults.timeLimitMs, resources),
    access: contract.access,
    style,
    handler,
  };
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

/** Runs one call on the slot's current version: accounting, time limit, and whatever goes wrong. */
function call(
  host: Host,
  slot: HttpSlot,
  event: H3Event,
  params: Record<string, string> | undefined,
): Promise<Response> | Response {
  const version = slot.current;
  const { compiled } = version;
  const id = requestId(event);
  if (version.inflight >= compiled.concurrency) {
    slot.stats.shed++;
    return problemResponse(compiled.style, problems.overloaded({ headers: { "retry-after": "1" } }), id);
  }
  version.inflight++;
  const started = performance.now();
  const ctx = host.newContext({
    log: slot.log,
    bindings: { request_id: id, version: version.loaded.hash },
    traceparent: event.req.headers.get("traceparent") ?? undefined,
    outer: () => event.req.signal,
  });
  return new Promise((resolve) => {
    let answered = false;
    const answer = (response: Response) => {
      if (answered) return;
      answered = true;
      slot.stats.observe(response.status, performance.now() - started);
      resolve(response);
    };
    const limit: Limited = {
      deadline: started + compiled.timeLimitMs,
      expire() {
        const problem = problems.timeLimit();
        ctx.abort(problem);
        answer(problemResponse(compiled.style, problem, id));
      },
    };
    host.timeLimits.add(limit);
    const end = () => {
      host.timeLimits.delete(limit);
      version.leave();
    };
    handle(compiled, event, params, ctx, id).then(
      (response) => {
        answer(response);
        end();
      },
      (error: unknown) => {
        answer(failure(host, compiled.style, error, ctx, id));
        end();
      },
    );
  });
}

async function handle(
  compiled: Compiled,
  event: H3Event,
  rawParams: Record<string, string> | undefined,
  ctx: HostCall & Context,
  id: string,
): Promise<Response> {
  const request = new RequestView(event);
  const admitted = compiled.access.check(request, ctx);
  request.caller = admitted instanceof Promise ? await admitted : admitted;
  if (compiled.params) {
    request.params = compiled.params.coerce(decode(rawParams ?? {}));
    compiled.params.checker.check(request.params);
  }
  if (compiled.query) {
    request.query = compiled.query.coerce(getQuery(event));
    compiled.query.checker.check(request.query);
  }
  if (compiled.body) {
    const read = await readJson(event, compiled.bodyLimit);
    compiled.body.check(read.value);
    request.read = read;
  }
  const result = await compiled.handler(request, ctx);
  const answer = result instanceof Reply ? result : undefined;
  const body: unknown = answer ? answer.body : result;
  const status = answer?.status ?? compiled.status;
  compiled.returns?.faults(body).forEach((fault) => {
    throw new Error(`The reply breaks its contract: ${fault.field || "it"} ${fault.message}`);
  });
  const data = compiled.style.envelope ? compiled.style.envelope(body, status) : body;
  const headers: [string, string][] = [
    ["content-type", "application/json; charset=utf-8"],
    ["x-request-id", id],
  ];
  if (answer?.headers) headers.push(...Object.entries(answer.headers));
  const text = status === 204 || event.req.method === "HEAD" ? null : JSON.stringify(data);
  return new FastResponse(text, { status, headers });
}

/** What a handler sees of a request; parts are filled in as they pass their checks. */
class RequestView {
  readonly #event: H3Event;
  params: Record<string, unknown> | undefined;
  query: Record<string, unknown> | undefined;
  caller: unknown;
  read: Body | undefined;

  constructor(event: H3Event) {
    this.#event = event;
  }

  get body(): unknown {
    return this.read?.value;
  }

  header(name: string): string | undefined {
    return this.#event.req.headers.get(name) ?? undefined;
  }

  get ip(): string | undefined {
    return this.#event.req.ip;
  }

  bodyHash(): string {
    return this.read ? createHash("sha256").update(this.read.bytes).digest("hex") : "";
  }
}

function decode(params: Record<string, string>): Record<string, string> {
  const decoded: Record<string, string> = {};
  for (const [name, value] of Object.entries(params)) {
    try {
      decoded[name] = value.includes("%") ? decodeURIComponent(value) : value;
    } catch {
      throw problems.invalidRequest({ details: [{ field: name, message: "is not valid percent-encoding" }] });
    }
  }
  return decoded;
}

function failure(host: Host, style: Style, error: unknown, ctx: Context, id: string): Response {
  if (error instanceof ClientGone) return new FastResponse(null, { status: 499 });
  const problem = error instanceof Problem ? error : (host.translate(error) ?? problems.internal({ cause: error }));
  if (problem.status >= 500) ctx.log.error({ err: problem.cause ?? problem, code: problem.code }, "call failed");
  return problemResponse(style, problem, id);
}

function problemResponse(style: Style, problem: Problem, id: string): Response {
  const headers: [string, string][] = [
    ["content-type", style.problemContentType],
    ["x-request-id", id],
  ];
  if (problem.headers) headers.push(...Object.entries(problem.headers));
  return new FastResponse(JSON.stringify(style.problem(problem)), { status: problem.status, headers });
}

function requestId(event: H3Event): string {
  const given = event.req.headers.get("x-request-id");
  if (given !== null && requestIdPattern.test(given)) return given;
  return `${bootId}-${(++requests).toString(36)}`;
}
