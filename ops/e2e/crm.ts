/** The CRM as its users meet it: a started system, people of each role, and its envelope read strictly. */
import { randomBytes, randomUUID } from "node:crypto";
import bcrypt from "bcrypt";
import { Client } from "pg";
import { Type, type Static, type TSchema } from "typebox";
import { Value } from "typebox/value";
import { signToken } from "../../lib/crm/access.ts";
import type { Role } from "../../lib/crm/values.ts";
import { openSigningKey } from "../../lib/resources/signing-key.ts";
import { systemClock } from "../../runtime/host/call.ts";
import { freshDatabase } from "../harness/test.ts";
import type { Variables } from "./fn.ts";
import { startSystem, type Answer, type Call, type System } from "./system.ts";

/** A user that was written into the database, with a token that holds. */
export interface CrmPerson {
  id: number;
  username: string;
  email: string;
  password: string;
  role: Role;
  token: string;
}

export interface Crm {
  readonly system: System;
  /** For what is looked up or written beside the API. */
  readonly database: Client;
  /** What the system was started with. */
  readonly env: Variables;
  readonly admin: CrmPerson;
  /** Calls of `/api/v1…` as the admin, unless `call.token` says another's: `crm.get("/members", { token })`. */
  get(path: string, call?: Call): Promise<Answer>;
  post(path: string, body?: unknown, call?: Call): Promise<Answer>;
  put(path: string, body?: unknown, call?: Call): Promise<Answer>;
  delete(path: string, call?: Call): Promise<Answer>;
  /** Makes a user of a role. */
  person(role: Role): Promise<CrmPerson>;
  /** Ends the connection to the database. The system ends with `stopAll`. */
  close(): Promise<void>;
}

/** Starts the CRM's functions on a fresh database. `FUNCTIONS` may leave out those of the clock. */
export async function startCrm({ env: given = {} }: { env?: Variables } = {}): Promise<Crm> {
  const env = {
    DATABASE_URL: await freshDatabase(),
    JWT_SECRET: randomUUID(),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    CRM_REQUESTS_PER_MINUTE: "0",
    CRM_SENDS_PER_MINUTE: "0",
    FUNCTIONS: "health,crm/**",
    ...given,
  };
  // A token of the mail API is none of the CRM's business.
  const system = await startSystem({ env, token: "none" });
  const database = new Client({ connectionString: env.DATABASE_URL });
  await database.connect();
  const person = (role: Role) => addPerson(database, env.JWT_SECRET, role);
  const admin = await person("admin");
  const call = (method: string, path: string, more: Call) =>
    system.call(`/api/v1${path}`, { method, token: admin.token, ...more });
  return {
    system,
    database,
    env,
    admin,
    get: (path, more = {}) => call("GET", path, more),
    post: (path, body, more = {}) => call("POST", path, { body, ...more }),
    put: (path, body, more = {}) => call("PUT", path, { body, ...more }),
    delete: (path, more = {}) => call("DELETE", path, more),
    person,
    close: () => database.end(),
  };
}

/** Writes a user into the database. The hash is a cheap one: so many of them are made. */
export async function addPerson(database: Client, secret: string, role: Role): Promise<CrmPerson> {
  const username = `${role}-${randomUUID().slice(0, 8)}`;
  const email = `${username}@hotel.example`;
  const password = randomUUID();
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO users (username, email, password_hash, full_name, role) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
    [username, email, await bcrypt.hash(password, 4), `The ${role}`, role],
  );
  const id = Number(rows[0]?.id);
  const signingKey = await openSigningKey({ privateKey: undefined, secret, file: "" });
  const token = signToken({ signingKey, clock: systemClock }, { userId: id, username, role, tokenVersion: 1 });
  return { id, username, email, password, role, token };
}

const Time = Type.String({ pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$` });
const strict = { additionalProperties: false };

const Envelope = Type.Object(
  { code: Type.Integer(), message: Type.String(), data: Type.Unknown(), timestamp: Time },
  strict,
);
const Fault = Type.Object(
  {
    code: Type.Integer(),
    message: Type.String(),
    errors: Type.Array(Type.Object({ field: Type.String(), message: Type.String() }, strict)),
    timestamp: Time,
  },
  strict,
);

/** An object with these fields and no others: what a golden example is held against. */
export const Exactly = <P extends Record<string, TSchema>>(properties: P) => Type.Object(properties, strict);

export const PageOf = <T extends TSchema>(item: T) =>
  Exactly({
    items: Type.Array(item),
    total: Type.Integer(),
    page: Type.Integer(),
    page_size: Type.Integer(),
    total_pages: Type.Integer(),
  });

/** The data of a success. Throws unless it came in the envelope, and fits the schema. */
export function dataOf<T extends TSchema>(answer: Answer, schema: T): Static<T> {
  if (answer.status !== 200) throw new Error(`no success: ${answer.status} ${answer.text}`);
  const { code, data } = Value.Parse(Envelope, JSON.parse(answer.text));
  if (code !== answer.status) throw new Error(`code ${code} with status ${answer.status}`);
  const [fault] = Value.Errors(schema, data);
  if (fault) throw new Error(`data${fault.instancePath} ${fault.message}: ${answer.text}`);
  return data as Static<T>;
}

/** The problem of an answer. Throws unless it has this status, and came in the envelope of problems. */
export function problemOf(answer: Answer, status: number): Static<typeof Fault> {
  if (answer.status !== status) throw new Error(`not ${status} but ${answer.status}: ${answer.text}`);
  const fault = Value.Parse(Fault, JSON.parse(answer.text));
  if (fault.code !== status) throw new Error(`code ${fault.code} with status ${status}`);
  return fault;
}
