/** The real system as a child process, and what a client and an operator do with it. It ends with the test. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { eventually } from "../harness/eventually.ts";
import { ownFolder, type Exit } from "../harness/process.ts";
import { freePort } from "../harness/server.ts";
import { project, readOutput, spawnFn, type Child, type Variables } from "./fn.ts";
import { issueToken } from "./token.ts";

export interface SystemOptions {
  /** Added to an environment that has nothing else of the project's. */
  env?: Variables;
  command?: "start" | "dev";
  /** The project's folder, when not this one: see `copyProject`. */
  root?: string;
  /** An admin's token. Default: the one of the embedded system, or a new one. */
  token?: string;
  /** Milliseconds until it must be ready. */
  within?: number;
  /** Whether it takes mail by SMTP. */
  smtp?: boolean;
}

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is a text already. */
  body?: unknown;
  /** Another bearer token, or `null` for none. */
  token?: string | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body, when it is a JSON object; else an empty one. */
  body: Record<string, unknown>;
  ms: number;
}

export interface Mail {
  from?: unknown;
  to?: unknown;
  [field: string]: unknown;
}

const Event = Type.Object({
  type: Type.String(),
  provider: Type.Union([Type.String(), Type.Null()]),
  code: Type.Union([Type.String(), Type.Null()]),
  message: Type.Union([Type.String(), Type.Null()]),
});

const MailState = Type.Object({
  mail_id: Type.String(),
  status: Type.String(),
  retry_count: Type.Integer(),
  error_message: Type.String(),
  sent_at: Type.Union([Type.String(), Type.Null()]),
  events: Type.Array(Event),
});
export type MailState = Static<typeof MailState>;

export interface System {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** Where it takes mail, when it does. */
  readonly smtp: { readonly port: number; readonly tlsPort: number };
  readonly token: string;
  readonly pid: number;
  /** How its process ended; undefined while it runs. */
  readonly ended: Exit | undefined;
  call(path: string, call?: Call): Promise<Answer>;
  /** Sends a mail with whatever the test says of it, and returns the answer. */
  send(mail?: Mail, call?: Call): Promise<Answer>;
  /** Sends a mail and returns its id. Throws unless it was accepted. */
  accept(mail?: Mail): Promise<string>;
  /** A mail with its timeline. */
  status(id: string): Promise<MailState>;
  /** Waits until a mail is sent or failed. */
  settled(id: string, within?: number): Promise<MailState>;
  /** Names of the files in the sandbox inbox: `<mail id>.<attempt>.eml`. */
  inbox(): Promise<string[]>;
  /** A number of `/metrics`, the sum over all labels, or over those with one: `function="mail/deliver"`. */
  metric(name: string, label?: string): Promise<number>;
  /** All that was printed so far: the log on standard output, people's text on standard error. */
  output(): Promise<{ stdout: string; stderr: string }>;
  /** Starts it again on the same folder and port. */
  start(): Promise<void>;
  /** Sends SIGTERM and returns how it ended. */
  stop(): Promise<Exit>;
  /** kill -9 of the process alone: what it started stays. */
  kill(): Promise<void>;
}

/** Tests send more than any client may; those of the limits set their own. */
const unlimited = {
  RATE_LIMIT_DEPARTMENT_PER_MINUTE: "0",
  RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "0",
  RATE_LIMIT_RECIPIENT_PER_HOUR: "0",
};

const open = new Set<System>();

/** Ends every system of this test file: for `after`. */
export async function stopAll(): Promise<void> {
  await Promise.all([...open].map((system) => system.stop()));
}

/** Starts the system and returns when it is ready. Throws with its last words when it does not come up. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const { root = project, command = "start", within = 30_000 } = options;
  const folder = ownFolder("system");
  const port = options.env?.["API_PORT"] ? Number(options.env["API_PORT"]) : await freePort();
  const dataDir = options.env?.["DATA_DIR"] ?? join(folder, "data");
  const url = `http://127.0.0.1:${port}`;
  const smtp = options.smtp ? { port: await freePort(), tlsPort: await freePort() } : { port: 0, tlsPort: 0 };
  const ports = { SMTP_INBOUND_PORT: String(smtp.port), SMTP_INBOUND_TLS_PORT: String(smtp.tlsPort) };
  const env = { ...unlimited, DATA_DIR: dataDir, API_PORT: String(port), ...ports, ...options.env };
  let child: Child | undefined;
  let token = options.token;

  async function start(): Promise<void> {
    const said = (await readOutput(folder)).stderr.length;
    const current = (child = spawnFn([command], { env, root, folder }));
    // It is ready a moment before it has said how to use it, and made the first token for that.
    const isReady = async () =>
      (await readOutput(folder)).stderr.includes("ready in", said) &&
      (await fetch(`${url}/health/ready`)).status === 200;
    await eventually(async () => current.running.exit !== undefined || (await isReady()), {
      what: `the system on port ${port} is ready`,
      within,
    }).catch(async (cause: unknown) => {
      throw new Error(`The system did not start:\n${await current.lastWords()}`, { cause });
    });
    if (current.running.exit) throw new Error(`The system ended instead of starting:\n${await current.lastWords()}`);
    token ??= await adminToken(env);
    open.add(system);
  }

  async function end(signal: NodeJS.Signals): Promise<Exit> {
    open.delete(system);
    if (!child) return { code: 0, signal: null };
    if (!child.running.exit) process.kill(child.running.pid, signal);
    const late = pause(60_000, undefined, { ref: false }).then(() => Promise.reject(new Error("it does not end")));
    return await Promise.race([child.running.ended(), late]);
  }

  const system: System = {
    url,
    port,
    dataDir,
    smtp,
    get token() {
      return token ?? "";
    },
    get pid() {
      return child?.running.pid ?? 0;
    },
    get ended() {
      return child?.running.exit;
    },
    call: (path, call = {}) => callUrl(url + path, { token: token ?? null, ...call }),
    send: (mail, call) =>
      system.call("/api/v1/mail/send", { method: "POST", body: { ...plainMail, ...mail }, ...call }),
    async accept(mail) {
      const answer = await system.send(mail);
      const { mail_id: id } = answer.body;
      if (answer.status !== 200 || typeof id !== "string") throw new Error(`not accepted: ${answer.text}`);
      return id;
    },
    async status(id) {
      const answer = await system.call(`/api/v1/mail/status/${id}?events=true`);
      if (answer.status !== 200) throw new Error(`no status of ${id}: ${answer.status} ${answer.text}`);
      return Value.Parse(MailState, answer.body);
    },
    async settled(id, limit = 10_000) {
      let state: MailState | undefined;
      const what = `mail ${id} is sent or failed`;
      const isFinal = async () => /sent|failed/.test((state = await system.status(id)).status);
      await eventually(isFinal, { what, within: limit }).catch((cause: unknown) => {
        throw new Error(`mail ${id} stays ${JSON.stringify(state)}`, { cause });
      });
      return state ?? (await system.status(id));
    },
    inbox: () => listInbox(dataDir),
    async metric(name, label = "") {
      const { text } = await system.call("/metrics");
      const lines = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
      const wanted = lines.filter((line) => line.includes(label));
      return wanted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    output: () => readOutput(folder),
    start,
    stop: () => end("SIGTERM"),
    kill: async () => void (await end("SIGKILL")),
  };
  await start();
  return system;
}

export const plainMail = {
  from: "shop@example.com",
  to: ["guest@example.org"],
  subject: "Your order",
  body: "It is on its way.",
};

/** The mails that a sandbox inbox holds. A mail that was sent twice is there twice. */
export async function listInbox(dataDir: string): Promise<string[]> {
  const names = await readdir(join(dataDir, "inbox"));
  return names.filter((name) => name.endsWith(".eml"));
}

async function adminToken(env: Variables & { DATA_DIR: string }): Promise<string> {
  if (!env["DATABASE_URL"]) return (await readFile(join(env.DATA_DIR, "admin-token"), "utf8")).trim();
  return await issueToken(env);
}

async function callUrl(url: string, { method = "GET", headers, body, token }: Call): Promise<Answer> {
  const started = performance.now();
  const response = await fetch(url, {
    method,
    headers: {
      ...(token != null && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: parsed(text),
    ms: performance.now() - started,
  };
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {}; // a page, or metrics
  }
}
