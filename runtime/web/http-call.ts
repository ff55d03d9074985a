/** One call of an HTTP function, from its request to its answer. Every line here is paid for by every request. */
import { Readable } from "node:stream";
import type { Access } from "../access.ts";
import { settle, type Context, type Logger, type Tags } from "../context.ts";
import type { CallSource, HostCall } from "../host/call.ts";
import type { Host } from "../host/host.ts";
import type { CallStats } from "../host/metrics.ts";
import type { Slot, Version } from "../host/slot.ts";
import { EventStream } from "../events.ts";
import { FileReply } from "../files.ts";
import { Limited } from "../host/time-limits.ts";
import { Reply, type HttpFunction, type LargeStrings, type StringSink } from "../http.ts";
import { Problem, problems } from "../problem.ts";
import type { Style } from "../style.ts";
import { Answer, problemAnswer } from "./answer.ts";
import { ClientGone, readJson, type BodyContract } from "./body.ts";
import { EventBody, eventHeaders } from "./event-body.ts";
import { fileAnswer } from "./file-answer.ts";
import { readForm, type FormContract } from "./form.ts";
import type { Incoming } from "./incoming.ts";
import { requestId } from "./request-id.ts";
import { paramReader, queryReader, RequestView } from "./request-view.ts";
import { hasNoBody } from "./status.ts";
import { coercion, compile, type Checker, type Coerce } from "./validate.ts";

/** A contract made ready for the hot path. */
export interface Compiled {
  params: { coerce: Coerce; checker: Checker } | undefined;
  query: { coerce: Coerce; checker: Checker } | undefined;
  body: Checker | undefined;
  bodyLimit: number;
  largeStrings: LargeStrings<StringSink> | undefined;
  form: FormContract | undefined;
  /** Checks replies, where that is on. */
  returns: Checker | undefined;
  status: number;
  concurrency: number;
  timeLimitMs: number;
  access: Access<unknown>;
  style: Style;
  handler: HttpFunction["handler"];
}

export type HttpVersion = Version<HttpFunction, Compiled>;
export type HttpSlot = Slot<HttpFunction, Compiled> & { stats: CallStats; log: Logger };

export function compileContract(host: Host, { contract, style, handler }: HttpFunction): Compiled {
  const { resources, defaults } = host;
  const part = (schema: typeof contract.params) => schema && { coerce: coercion(schema), checker: compile(schema) };
  const status = contract.status ?? 200;
  const bodyLimit = settle(contract.bodyLimit ?? defaults.bodyLimit, resources);
  return {
    params: part(contract.params),
    query: part(contract.query),
    body: contract.body && compile(contract.body),
    bodyLimit,
    form: contract.files && {
      bodyLimit,
      files: Object.fromEntries(
        Object.entries(contract.files).map(([name, { maxBytes }]) => [name, { maxBytes: settle(maxBytes, resources) }]),
      ),
      folder: host.uploadFolder,
      coerce: coercion(contract.body ?? {}),
    },
    largeStrings: contract.largeStrings,
    returns: host.checkReplies ? compile(contract.returns) : undefined,
    status: typeof status === "number" ? status : (status[0] ?? 200),
    concurrency: settle(contract.concurrency ?? defaults.concurrency, resources),
    timeLimitMs: settle(contract.timeLimitMs ?? defaults.timeLimitMs, resources),
    access: contract.access,
    style,
    handler,
  };
}

export type RawParams = Record<string, string> | undefined;

/** Runs one call on one version: accounting, time limit, and whatever goes wrong. */
export class HttpCall extends Limited implements CallSource {
  readonly log: Logger;
  readonly #host: Host;
  readonly #slot: HttpSlot;
  readonly #version: HttpVersion;
  readonly #incoming: Incoming;
  readonly #id: string;
  readonly #ctx: HostCall & Context;
  readonly #started: number;
  readonly #request: RequestView;
  #params: RawParams;
  #ip: string | undefined;
  #returned: unknown;
  #reply: ((answer: Answer) => void) | undefined;

  /** `reply` is called once, whatever happens: what goes wrong is an answer too. */
  constructor(host: Host, slot: HttpSlot, version: HttpVersion, incoming: Incoming, reply: (answer: Answer) => void) {
    const started = performance.now();
    super(started + version.compiled.timeLimitMs);
    this.#started = started;
    this.#reply = reply;
    this.log = slot.log;
    this.#host = host;
    this.#slot = slot;
    this.#version = version;
    this.#incoming = incoming;
    this.#request = new RequestView(incoming);
    this.#id = requestId(incoming);
    this.#ctx = host.newContext(this);
  }

  bindings(): Tags {
    const caller = this.#host.callerTags(this.#request.caller);
    return { request_id: this.#id, version: this.#version.loaded.hash, ...caller };
  }

  traceparent(): string | undefined {
    return this.#incoming.header("traceparent");
  }

  callerSignal(): AbortSignal {
    return this.#incoming.signal;
  }

  run(params: RawParams): void {
    this.#version.inflight++;
    this.#params = params;
    // Now: of a socket that has gone it cannot be asked any more.
    if (this.#host.onCall) this.#ip = this.#incoming.ip;
    this.#host.timeLimits.add(this);
    this.#handle(params).then(
      (answer) => this.#end(answer),
      (error: unknown) => this.#end(this.#failure(error)),
    );
  }

  #end(answer: Answer): void {
    const { read } = this.#request;
    if (!read?.close) return this.#leave(answer);
    read.close().then(
      () => this.#leave(answer),
      (error: unknown) => {
        this.#ctx.log.error({ err: error }, "what was received could not be discarded");
        this.#leave(answer);
      },
    );
  }

  #leave(answer: Answer): void {
    this.#answer(answer);
    // Work that it has left behind holds its context, and would hold all that came with it.
    this.#request.read = undefined;
    this.#returned = undefined;
    this.#host.timeLimits.delete(this);
    // A stream belongs to the call: until it has been closed, code of this version may run.
    if (answer.body instanceof Readable && !answer.body.closed) answer.body.once("close", () => this.#version.leave());
    else this.#version.leave();
  }

  /** The first answer counts: after a call's time was up, nobody waits for its own. */
  #answer(answer: Answer): void {
    const reply = this.#reply;
    if (!reply) return discard(answer);
    this.#reply = undefined;
    const durationMs = performance.now() - this.#started;
    this.#slot.stats.observe(answer.status, durationMs, this.#version.loaded.hash);
    this.#version.calls++;
    if (answer.status === 500 || answer.status === 504) this.#version.faults++;
    try {
      reply(answer);
    } catch (error) {
      // A header that HTTP cannot carry: nothing has been sent yet.
      this.#ctx.log.error({ err: error }, "the answer could not be sent");
      discard(answer);
      reply(problemAnswer(this.#version.compiled.style, problems.internal(), this.#id));
    }
    if (this.#host.tracer) this.#tell(answer.status);
    this.#host.onCall?.({
      function: this.#slot.name,
      method: this.#incoming.method,
      path: this.#version.loaded.definition.path,
      params: this.#params,
      status: answer.status,
      durationMs,
      ip: this.#ip,
      caller: this.#request.caller,
      reply: this.#returned,
    });
  }

  #tell(status: number): void {
    const { method, path } = this.#version.loaded.definition;
    this.#ctx.ended({
      name: `${method} ${path}`,
      kind: "server",
      startedAt: this.#started,
      tags: {
        function: this.#slot.name,
        ...this.bindings(),
        "http.request.method": method,
        "http.route": path,
        "http.response.status_code": status,
      },
      failure: status >= 500 ? `http_${status}` : undefined,
    });
  }

  override expire(): void {
    const problem = problems.timeLimit();
    this.#slot.stats.failed(problem.code);
    this.#ctx.abort(problem);
    this.#answer(problemAnswer(this.#version.compiled.style, problem, this.#id));
  }

  async #handle(rawParams: RawParams): Promise<Answer> {
    const { compiled } = this.#version;
    const incoming = this.#incoming;
    const request = this.#request;
    const admitted = compiled.access.check(request, this.#ctx);
    request.caller = admitted instanceof Promise ? await admitted : admitted;
    if (compiled.params) {
      request.params = compiled.params.coerce(paramReader(rawParams ?? {}));
      compiled.params.checker.check(request.params, "path");
    }
    if (compiled.query) {
      request.query = compiled.query.coerce(queryReader(incoming.search));
      compiled.query.checker.check(request.query, "query");
    }
    if (compiled.form || compiled.body) {
      request.read = compiled.form
        ? await readForm(incoming, compiled.form, this.#ctx)
        : await readJson(incoming, this.#bodyContract(), this.#ctx);
      if (!this.#reply) throw new ClientGone("Its time was up before its request was complete");
      compiled.body?.check(request.read.value, "body");
    }
    return this.#success(await compiled.handler(request, this.#ctx));
  }

  #bodyContract(): BodyContract {
    const { compiled } = this.#version;
    const { access } = compiled;
    if (!access.checkBody) return compiled;
    return { ...compiled, checkBody: (body) => access.checkBody?.(body, this.#request, this.#ctx) };
  }

  #success(result: unknown): Answer | Promise<Answer> {
    const { compiled } = this.#version;
    let body = result;
    let { status } = compiled;
    const headers: Record<string, string> = { "x-request-id": this.#id };
    if (result instanceof Reply) {
      body = result.body;
      status = result.status;
      // In one spelling: else what is told twice would be sent twice.
      for (const [name, value] of Object.entries(result.headers ?? {})) headers[name.toLowerCase()] = value;
    }
    this.#returned = body;
    if (body instanceof EventStream) return new Answer(status, { ...eventHeaders, ...headers }, this.#events(body));
    if (body instanceof FileReply) return fileAnswer(body, status, this.#incoming, headers);
    if (compiled.returns) checkReply(compiled.returns, body);
    const data = compiled.style.envelope ? compiled.style.envelope(body, status) : body;
    const empty = hasNoBody(status);
    if (!empty) headers["content-type"] ??= "application/json; charset=utf-8";
    return new Answer(status, headers, empty || this.#incoming.method === "HEAD" ? null : JSON.stringify(data));
  }

  #events({ events }: EventStream): EventBody | null {
    if (this.#incoming.method === "HEAD") return null;
    return new EventBody(events, {
      ending: this.#version.retiring,
      over: () => this.#ctx.abort(new ClientGone("Nobody waits for another event")),
      failed: (error) => {
        this.#slot.stats.failed("stream");
        this.#ctx.log.error({ err: error }, "a stream failed");
      },
    });
  }

  #failure(error: unknown): Answer {
    if (error instanceof ClientGone) return new Answer(499, {}, null);
    const known = error instanceof Problem ? error : this.#host.translate(error);
    const problem = known ?? problems.internal({ cause: error });
    // After its time was up that has been counted.
    if (this.#reply) this.#slot.stats.failed(problem.code);
    if (problem.status >= 500) {
      this.#ctx.log.error({ err: problem.cause ?? problem, code: problem.code }, "call failed");
    }
    return problemAnswer(this.#version.compiled.style, problem, this.#id);
  }
}

/** Nobody is to receive it. */
function discard({ body }: Answer): void {
  if (body instanceof Readable) body.destroy();
}

function checkReply(returns: Checker, body: unknown): void {
  const [fault] = returns.faults(body);
  if (fault) throw new Error(`The reply breaks its contract: ${fault.field || "it"} ${fault.message}`);
}
