/** What the stories of scheduled mail share: jobs as clients add them by the API, and as operators do by SQL. */
import type { Client } from "pg";
import { Type, type Static, type TSchema } from "typebox";
import { Value } from "typebox/value";
import { eventually } from "../harness/test.ts";
import type { Answer, Call, System } from "./system.ts";

const OrNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

/** A job as the API shows it, and nothing else. */
const Shown = Type.Object(
  {
    id: Type.Integer(),
    progcode: Type.String(),
    sender: Type.String(),
    recipients: Type.String(),
    cc: OrNull(Type.String()),
    bcc: OrNull(Type.String()),
    subject: Type.String(),
    body: Type.String(),
    isenabled: Type.Boolean(),
    nextexecutetime: Type.String(),
    executionstatus: Type.String(),
    smtphost: OrNull(Type.String()),
    smtpport: OrNull(Type.Integer()),
    smtpuser: OrNull(Type.String()),
    smtpsecure: OrNull(Type.String()),
    cronexpr: OrNull(Type.String()),
    timezone: OrNull(Type.String()),
    lastexecutetime: OrNull(Type.String()),
    lasterror: OrNull(Type.String()),
    mailid: OrNull(Type.String()),
    createdat: Type.String(),
    updatedat: Type.String(),
  },
  { additionalProperties: false },
);
export type Shown = Static<typeof Shown>;

/** A run as `trigger-due` tells of it. */
const Run = Type.Object({ id: Type.Integer(), executionstatus: Type.String(), mailid: OrNull(Type.String()) });
type Run = Static<typeof Run>;

export type Columns = Readonly<Record<string, string | number | boolean | null>>;

/** What a job has that a story says nothing of: due for long. */
export const plainJob = {
  progcode: "ORDERS",
  sender: "hello@demomailtrap.co",
  recipients: "guest@example.org",
  subject: "Your order",
  body: "<p>It is on its way.</p>",
  nextexecutetime: "2025-10-07 11:00:00",
};

/** All functions but the one that the clock calls: what is due runs when a story says so. */
export const withoutClock = "health,auth/*,mail/*,schedule/!(run-due)";

export const inFuture = "2099-01-01 09:00:00";

/** The API of scheduled mail, as a client with the system's token uses it. */
export function scheduler(system: System) {
  const at = (id: number) => `/api/schedule/mail/${id}`;
  const call = (method: string, path: string, more: Call = {}) => system.call(path, { method, ...more });
  const api = {
    create: (job: object = {}, more?: Call) =>
      call("POST", "/api/schedule/mail", { body: { ...plainJob, ...job }, ...more }),
    /** Creates a job that has to be taken. */
    async add(job: object = {}): Promise<Shown> {
      const answer = await api.create(job);
      if (answer.status !== 201) throw new Error(`not created: ${answer.status} ${answer.text}`);
      return shown(answer);
    },
    get: (id: number, more?: Call) => call("GET", at(id), more),
    put: (id: number, body: unknown, more?: Call) => call("PUT", at(id), { body, ...more }),
    enable: (id: number, isenabled: unknown, more?: Call) =>
      call("PATCH", `${at(id)}/status`, { body: { isenabled }, ...more }),
    remove: (id: number, more?: Call) => call("DELETE", at(id), more),
    execute: (id: number, more?: Call) => call("POST", `/api/execute/mail/${id}`, more),
    triggerDue: (query = "", more?: Call) => call("POST", `/api/execute/mail/trigger-due${query}`, more),
    list: (query = "", more?: Call) => call("GET", `/api/schedule/mail${query}`, more),
    read: async (id: number): Promise<Shown> => shown(await api.get(id)),
    /** Waits until a job is in a state, and returns it. */
    async until(id: number, status: string, within = 15_000): Promise<Shown> {
      let last: Shown | undefined;
      const what = `job ${id} is ${status}`;
      const isThere = async () => (last = await api.read(id)).executionstatus === status && last;
      const job = await eventually(isThere, { what, within }).catch((cause: unknown) => {
        throw new Error(`${what}: it stays ${JSON.stringify(last)}`, { cause });
      });
      if (!job) throw new Error(what);
      return job;
    },
  };
  return api;
}

/** The job of an answer. Throws when it is none, or has a field that no job shows. */
export function shown(answer: Answer): Shown {
  if (answer.status >= 400) throw new Error(`no job: ${answer.status} ${answer.text}`);
  return Value.Parse(Shown, JSON.parse(answer.text));
}

export function shownList(answer: Answer): Shown[] {
  if (answer.status >= 400) throw new Error(`no list: ${answer.status} ${answer.text}`);
  return Value.Parse(Type.Array(Shown), JSON.parse(answer.text));
}

export function runOf(answer: Answer): Run {
  if (answer.status >= 400) throw new Error(`no run: ${answer.status} ${answer.text}`);
  return Value.Parse(Run, answer.body);
}

export function runsOf(answer: Answer): Run[] {
  if (answer.status >= 400) throw new Error(`no runs: ${answer.status} ${answer.text}`);
  return Value.Parse(Type.Array(Run), JSON.parse(answer.text));
}

/** Adds a job as an operator does, and returns its id. */
export async function insertJob(database: Client, columns: Columns = {}): Promise<number> {
  const row = { ...plainJob, ...columns };
  const places = Object.keys(row).map((_name, index) => `$${index + 1}`);
  const sql = `INSERT INTO tblschedulemail (${Object.keys(row).join()}) VALUES (${places.join()}) RETURNING id`;
  const { rows } = await database.query<{ id: string }>(sql, Object.values(row));
  return Number(rows[0]?.id);
}
