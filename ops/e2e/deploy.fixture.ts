/** For tests of deploys: a fleet, versions of its functions, and clients that never stop sending. */
import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { Agent } from "node:https";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "pg";
import { eventually, emptyDatabase, freshRedis, freshVhost } from "../harness/test.ts";
import { copyProject, createToken, runFn, type Finished, type Variables } from "./fn.ts";
import { callProxy, type Proxy } from "./proxy.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { startSystem, type System } from "./system.ts";

export interface Fleet {
  /** The folder that its processes run from, and that functions are deployed from. */
  readonly root: string;
  readonly env: Variables;
  readonly apis: readonly System[];
  readonly workers: readonly System[];
  readonly sendgrid: SendGridStandIn;
  readonly database: Client;
  /** Starts one more process. */
  start(functions: string, more?: { root?: string }): Promise<System>;
  fn(...args: string[]): Promise<Finished>;
  /** Changes a function's file: the text `from` to `to`. Throws when it is not there. */
  edit(name: string, from: string, to: string): Promise<void>;
  /** Writes a function's file. */
  write(name: string, text: string): Promise<void>;
  /** Takes a function's file away. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

const apiFunctions = "health,hello,mail/send,mail/status";
const workerFunctions = "mail/deliver,mail/publish-stranded,mail/release-expired,mail/sum-totals";

/** Two processes with the API, two that deliver. */
export async function startFleet(): Promise<Fleet> {
  const sendgrid = await startSendGrid();
  const [root, url, rabbit, redis] = await Promise.all([copyProject(), emptyDatabase(), freshVhost(), freshRedis()]);
  const env: Variables = {
    DATABASE_URL: url,
    RABBITMQ_URL: rabbit,
    KEYDB_URL: redis,
    JWT_SECRET: randomUUID(),
    SENDGRID_API_KEY: sendgrid.key,
    SENDGRID_BASE_URL: sendgrid.url,
    SHUTDOWN_NOTICE_SECONDS: "3",
    TRUSTED_PROXIES: "127.0.0.1",
    LOG_LEVEL: "info",
  };
  const token = await createToken({ env, root });
  const start: Fleet["start"] = (functions, more = {}) =>
    startSystem({ root, token, ...more, env: { ...env, FUNCTIONS: functions } });
  const [first, second, ...workers] = await Promise.all([
    start(apiFunctions),
    start(apiFunctions),
    start(workerFunctions),
    start(workerFunctions),
  ]);
  const database = new Client({ connectionString: url });
  await database.connect();
  const file = (name: string) => join(root, "functions", `${name}.ts`);
  return {
    root,
    env,
    apis: [first, second],
    workers,
    sendgrid,
    database,
    start,
    fn: (...args) => runFn(args, { env, root }),
    async edit(name, from, to) {
      const text = await readFile(file(name), "utf8");
      if (!text.includes(from)) throw new Error(`${name} has no "${from}"`);
      await writeFile(
        file(name),
        text.replace(from, () => to),
      );
    },
    write: (name, text) => writeFile(file(name), text),
    remove: (name) => rm(file(name)),
    async close() {
      await database.end();
      await sendgrid.close();
    },
  };
}

export interface Load extends AsyncDisposable {
  /** What became of the requests so far: how many by status, or by error. */
  readonly answers: Map<string, number>;
  /** Ids of the mails that were accepted. */
  readonly accepted: Set<string>;
  /** `message` of the newest replies: which versions answer. */
  messages(): string[];
  stop(): Promise<void>;
}

/** So many clients of the proxy, each with a connection of its own, that send one mail after the other. */
export function startLoad(proxy: Proxy, token: string, clients = 64): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const answers = new Map<string, number>();
  const accepted = new Set<string>();
  const messages: string[] = [];
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = JSON.stringify({ from: "a@example.com", to: ["b@example.org"], subject: "Steady", body: "Hello" });
  let running = true;
  async function client(): Promise<void> {
    while (running) {
      let outcome: string;
      try {
        const call = { agent, path: "/api/v1/mail/send", method: "POST", headers, body };
        const { status, text } = await callProxy(proxy, call);
        const reply = JSON.parse(text) as { mail_id?: string; message?: string };
        outcome = String(status);
        if (reply.mail_id !== undefined) accepted.add(reply.mail_id);
        messages.push(reply.message ?? "");
      } catch (error) {
        outcome = String(error);
      }
      answers.set(outcome, (answers.get(outcome) ?? 0) + 1);
      await pause(150);
    }
  }
  const all = Promise.all(Array.from({ length: clients }, client)).finally(() => agent.destroy());
  async function stop(): Promise<void> {
    running = false;
    await all;
  }
  return { answers, accepted, messages: () => messages.splice(0), stop, [Symbol.asyncDispose]: stop };
}

/** Takes a step by the command line. It must succeed, within two seconds from asking the fleet to the last one's word. */
export async function step(fleet: Fleet, ...args: string[]): Promise<void> {
  const done = await fleet.fn(...args, "--json");
  if (done.code !== 0) throw new Error(`fn ${args.join(" ")} ended with ${done.code}: ${done.stdout}${done.stderr}`);
  const { ms } = JSON.parse(done.stdout) as { ms: number };
  if (!(ms < 2000)) throw new Error(`fn ${args.join(" ")} took ${ms} ms`);
}

/** Waits until all mail is sent. Throws unless each that was accepted went out exactly once. */
export async function settledMails(fleet: Fleet, load: Load): Promise<void> {
  const left = async () =>
    (await fleet.database.query("SELECT FROM mails WHERE status NOT IN ('sent', 'failed') LIMIT 1")).rowCount;
  await eventually(async () => (await left()) === 0, { what: "all mail is sent", within: 30_000 });
  const wrong = [...load.accepted].filter((id) => fleet.sendgrid.copies(id) !== 1);
  if (wrong.length > 0) throw new Error(`${wrong.length} mails were not sent once: ${wrong.slice(0, 5).join()}`);
}

/** The text of a function at /hello that answers with `text`. */
export const greeting = (text: string, more = "") => `
  import { Type } from "typebox";
  import { anyone, http } from "#runtime";
  ${more}
  export default http.get("/hello", { access: anyone, returns: Type.Object({ text: Type.String() }) })
    .handle(async () => ({ text: ${JSON.stringify(text)} }));`;

/** What a process answers there; undefined where nothing does. */
export const greet = async (system: System) => (await system.call("/hello", { token: null })).body["text"];
