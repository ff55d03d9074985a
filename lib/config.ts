/** The environment, read once: names and defaults, what is allowed, and every fault by the name of its variable. */
import { readFileSync } from "node:fs";
import { createPrivateKey } from "node:crypto";
import { join, resolve } from "node:path";
import { Type, type Static, type TProperties, type TSchema } from "typebox";
import { Value } from "typebox/value";
import { parseAddress } from "./mail/address.ts";

/** The variables of the environment, after defaults. A description marked `secret` is never shown with its value. */
const positive = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, default: fallback, description });
const orNone = (fallback: number, description: string) => Type.Integer({ minimum: 0, default: fallback, description });
const port = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, default: fallback, description });
const flag = (fallback: boolean, description: string) => Type.Boolean({ default: fallback, description });
const text = (description: string, fallback = "") => Type.String({ default: fallback, description });
const oneOf = <const T extends string[]>(values: [...T], fallback: T[number], description: string) =>
  Type.Union(
    values.map((value) => Type.Literal(value as T[number])),
    { default: fallback, description },
  );

const properties = {
  APP_ENV: oneOf(["development", "production", "test"], "development", "Which checks and defaults hold"),
  API_PORT: port(8080, "Port of the HTTP API"),
  LOG_LEVEL: oneOf(["trace", "debug", "info", "warn", "error", "silent"], "info", "Least level that is logged"),
  FUNCTIONS: text("Globs of the functions that this process runs", "*"),
  DATA_DIR: text("Folder of the embedded database, keys, the sandbox inbox and the first admin token", ".data"),
  PUBLIC_URL: text("Address of this system as its clients see it"),
  MAX_REQUEST_SIZE_MB: positive(110, "Largest request body"),

  DATABASE_URL: text("PostgreSQL; without it an embedded one runs (secret)"),
  DATABASE_POOL_SIZE: positive(20, "Connections to PostgreSQL in this process"),
  RABBITMQ_URL: text("RabbitMQ; without it queues run on PostgreSQL (secret)"),
  MAIL_QUEUE_NAME: text("Queue of mail to deliver", "mail-queue"),
  RETRY_QUEUE_NAME: text("Start of the names of the retry queues", "retry-queue"),
  FAILED_QUEUE_NAME: text("Queue of mail that was given up", "failed-mails"),
  MAX_RETRY_COUNT: Type.Integer({ minimum: 0, maximum: 10, default: 5, description: "Retries of a mail" }),
  WORKER_CONCURRENCY: positive(10, "Most mails delivered at once in this process"),
  WORKER_MIN_CONCURRENCY: positive(2, "Mails delivered at once when providers are slow or ask for patience"),
  WORKER_PREFETCH: positive(10, "Mails that this process takes from the queue ahead of delivering them"),
  KEYDB_URL: text("KeyDB or Redis, host:port or redis://…; without it the cache is in process (secret)"),
  KEYDB_PASSWORD: text("Password of KeyDB (secret)"),
  KEYDB_STATUS_TTL_DAYS: positive(14, "Days that a mail's status stays cached"),

  MAIL_SENDER: oneOf(["auto", "sandbox"], "auto", "sandbox keeps all mail in the local inbox"),
  UNKNOWN_OUTCOME: oneOf(["retry", "hold"], "retry", "What follows an attempt whose outcome cannot be known"),
  ORG_EMAIL_DOMAIN: text("Domains of the organisation, comma-separated"),
  SENDGRID_API_KEY: text("SendGrid (secret)"),
  SENDGRID_BASE_URL: text("Address of SendGrid's API", "https://api.sendgrid.com"),
  SENDGRID_SANDBOX: flag(false, "SendGrid checks mail but delivers none"),
  MICROSOFT_TENANT_ID: text("Entra tenant of mail that comes by SMTP from the organisation"),
  MICROSOFT_CLIENT_ID: text("Its application"),
  MICROSOFT_CLIENT_SECRET: text("Secret of the application (secret)"),
  MICROSOFT_AUTHORITY: text("Where Microsoft's tokens come from", "https://login.microsoftonline.com"),
  GRAPH_BASE_URL: text("Address of Microsoft Graph", "https://graph.microsoft.com/v1.0"),
  GRAPH_SAVE_TO_SENT_ITEMS: flag(true, "Mail by Graph is kept in its sender's Sent Items"),
  GRAPH_MESSAGES_PER_MINUTE: orNone(30, "Mails by Graph per mailbox and minute; 0: no limit"),
  GRAPH_CONCURRENCY: orNone(4, "Requests to Graph at once per mailbox; 0: no limit"),
  SMTP_HOST: text("Relay of scheduled mail"),
  SMTP_PORT: port(587, "Its port"),
  SMTP_USER: text("User at the relay"),
  SMTP_PASSWORD: text("Password at the relay (secret)"),
  SMTP_AUTH: oneOf(["password", "oauth2"], "password", "oauth2 signs in with MICROSOFT_* in place of a password"),
  SMTP_FROM: text("Envelope sender at the relay, where it is to differ from the mail's"),
  SMTP_SECURE: oneOf(["starttls", "tls", "none"], "starttls", "TLS at the relay; none also takes STARTTLS if offered"),

  RATE_LIMIT_DEPARTMENT_PER_MINUTE: orNone(200, "Requests per department and minute; 0: no limit"),
  RATE_LIMIT_CLIENT_MAILS_PER_HOUR: orNone(500, "Mails per client and hour; 0: no limit"),
  RATE_LIMIT_RECIPIENT_PER_HOUR: orNone(10, "Mails per recipient and hour; 0: no limit"),

  ATTACHMENT_PATH: text("Folder of attachments; DATA_DIR/attachments without it"),
  MAX_ATTACHMENT_SIZE_MB: positive(25, "Largest attachment"),
  ATTACHMENT_RETENTION_DAYS: positive(30, "Days that attachments are kept"),
  MAIL_RETENTION_DAYS: orNone(0, "Days that sent, failed and cancelled mail is kept; 0: for ever"),
  API_LOG_RETENTION_DAYS: positive(90, "Days that the log of requests is kept"),

  ENCRYPTION_KEY: text(
    "32 bytes in base64 that seal stored secrets; to rotate, the new one first, comma-separated (secret)",
  ),

  JWT_PRIVATE_KEY: text("RSA key that signs tokens, PEM (secret)"),
  JWT_PRIVATE_KEY_FILE: text("File of that key"),
  JWT_SECRET: text("Signs tokens with HS256 when there is no RSA key (secret)"),

  SHUTDOWN_NOTICE_SECONDS: orNone(0, "Seconds between not ready and closing the door"),
  SHUTDOWN_DRAIN_SECONDS: positive(25, "Seconds that calls in progress may take to end when stopping"),
} satisfies TProperties;

export const Environment = Type.Object(properties);
export type Environment = Static<typeof Environment>;

export interface ConfigFault {
  variable: string;
  message: string;
}

/** An SMTP relay and how to sign in there. */
export interface Relay {
  host: string;
  port: number;
  secure: "starttls" | "tls" | "none";
  /** Envelope sender, where it is to differ from the mail's. */
  from: string | undefined;
  auth:
    | { kind: "none" }
    | { kind: "password"; user: string; password: string }
    /** With a token of the configured Microsoft application. */
    | { kind: "oauth2"; user: string };
}

/** What the rest of the house reads. */
export interface Config {
  production: boolean;
  port: number;
  logLevel: string;
  functions: readonly string[];
  dataDir: string;
  publicUrl: string;
  maxRequestBytes: number;
  /** Absent: embedded. */
  databaseUrl: string | undefined;
  databasePoolSize: number;
  rabbitmqUrl: string | undefined;
  queues: { mail: string; retry: string; failed: string };
  maxRetries: number;
  /** Mails delivered at once: between `min` and `max`, by load; `prefetch` are held ready. */
  workers: { min: number; max: number; prefetch: number };
  /** A `redis://` address, or absent for the cache in process. */
  cacheUrl: string | undefined;
  statusTtlSeconds: number;
  sender: "auto" | "sandbox";
  unknownOutcome: "retry" | "hold";
  /** Lower case, without `@`. */
  organisationDomains: readonly string[];
  sendgrid: { apiKey: string; baseUrl: string; sandbox: boolean } | undefined;
  /** The application for mail that comes by SMTP. */
  microsoft: { tenantId: string; clientId: string; clientSecret: string } | undefined;
  graph: {
    authority: string;
    baseUrl: string;
    saveToSentItems: boolean;
    /** Per mailbox; 0: no limit. */
    messagesPerMinute: number;
    concurrency: number;
  };
  /** The default relay. */
  relay: Relay | undefined;
  /** 0: no limit. */
  limits: { departmentPerMinute: number; clientMailsPerHour: number; recipientPerHour: number };
  attachments: { folder: string; maxBytes: number; retentionDays: number };
  /** 0: for ever. */
  mailRetentionDays: number;
  apiLogRetentionDays: number;
  /** 32 bytes each; the first seals, all of them open. */
  encryptionKeys: readonly Buffer[];
  jwt: { privateKey: string | undefined; secret: string | undefined };
  shutdown: { noticeMs: number; drainMs: number };
}

/** Reads the environment. Returns the configuration, or everything that is wrong with it. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config | ConfigFault[] {
  const given: Record<string, unknown> = {};
  const faults: ConfigFault[] = [];
  for (const [name, schema] of Object.entries<VariableSchema>(properties)) {
    const raw = env[name]?.trim();
    given[name] = raw === undefined || raw === "" ? schema.default : coerce(schema, raw);
    if (Value.Check(schema, given[name])) continue;
    faults.push({ variable: name, message: expectation(schema, raw ?? "") });
    given[name] = schema.default; // So that what else is wrong can be told, too.
  }
  const values = Value.Parse(Environment, given);
  faults.push(...checkTogether(values));
  return faults.length > 0 ? faults : shape(values);
}

type VariableSchema = TSchema & { default?: unknown; description?: string };

function coerce(schema: VariableSchema, raw: string): unknown {
  const type = "type" in schema ? schema.type : undefined;
  if (type === "boolean") return { true: true, false: false }[raw.toLowerCase()] ?? raw;
  return type === "integer" && /^-?\d{1,12}$/.test(raw) ? Number(raw) : raw;
}

function expectation(schema: VariableSchema, raw: string): string {
  const secret = schema.description?.includes("(secret)");
  const is = secret ? "" : `, not "${raw.slice(0, 60)}"`;
  if ("anyOf" in schema && Array.isArray(schema.anyOf)) {
    return `must be one of ${schema.anyOf.map((option: { const?: string }) => option.const).join(", ")}${is}`;
  }
  if ("type" in schema && schema.type === "boolean") return `must be true or false${is}`;
  const { minimum, maximum } = schema as { minimum?: number; maximum?: number };
  const range = maximum === undefined ? `from ${minimum ?? 0} up` : `from ${minimum ?? 0} to ${maximum}`;
  return `must be a whole number ${range}${is}`;
}

/** What one variable alone cannot tell. */
function checkTogether(values: Environment): ConfigFault[] {
  const faults: ConfigFault[] = [];
  const fault = (variable: keyof Environment, message: string) => faults.push({ variable, message });
  const protocol = (variable: keyof Environment, allowed: readonly string[]) => {
    const value = String(values[variable]);
    if (value === "") return;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (!url || !allowed.includes(url.protocol)) {
      fault(variable, `must be an address that starts with ${allowed.map((one) => `${one}//`).join(" or ")}`);
    }
  };
  protocol("DATABASE_URL", ["postgres:", "postgresql:"]);
  protocol("RABBITMQ_URL", ["amqp:", "amqps:"]);
  protocol("SENDGRID_BASE_URL", ["http:", "https:"]);
  protocol("PUBLIC_URL", ["http:", "https:"]);
  if (values.KEYDB_URL !== "" && !cacheUrl(values)) fault("KEYDB_URL", "must be host:port or redis://…");
  for (const domain of domains(values.ORG_EMAIL_DOMAIN)) {
    if (!/^(?:[a-z\d](?:[a-z\d-]*[a-z\d])?\.)+[a-z\d-]{2,}$/.test(domain)) {
      fault("ORG_EMAIL_DOMAIN", `has "${domain}", which is no domain name`);
    }
  }
  const key = privateKey(values);
  if (key instanceof Error) fault(values.JWT_PRIVATE_KEY ? "JWT_PRIVATE_KEY" : "JWT_PRIVATE_KEY_FILE", key.message);
  if (values.JWT_SECRET !== "" && values.JWT_SECRET.length < 16)
    fault("JWT_SECRET", "must have at least 16 characters");
  if (values.APP_ENV === "production" && key === undefined && values.JWT_SECRET === "") {
    fault("JWT_PRIVATE_KEY", "is required in production (an RSA key in PEM; or JWT_SECRET for HS256)");
  }
  protocol("GRAPH_BASE_URL", ["https:", "http:"]);
  protocol("MICROSOFT_AUTHORITY", ["https:"]);
  const microsoft = ["MICROSOFT_TENANT_ID", "MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET"] as const;
  const missing = microsoft.filter((name) => values[name] === "");
  if (missing.length < microsoft.length) {
    for (const name of missing) fault(name, "is required with the other MICROSOFT_ variables");
  }
  if (values.SMTP_AUTH === "oauth2" && missing.length > 0)
    fault("SMTP_AUTH", "oauth2 needs MICROSOFT_TENANT_ID, MICROSOFT_CLIENT_ID and MICROSOFT_CLIENT_SECRET");
  if (values.SMTP_AUTH === "oauth2" && values.SMTP_USER === "") fault("SMTP_USER", "is required with SMTP_AUTH oauth2");
  if (values.SMTP_PASSWORD !== "" && values.SMTP_USER === "") fault("SMTP_USER", "is required with SMTP_PASSWORD");
  if (values.SMTP_FROM !== "" && typeof parseAddress(values.SMTP_FROM) === "string")
    fault("SMTP_FROM", "must be an e-mail address");
  for (const key of list(values.ENCRYPTION_KEY)) {
    if (decodeKey(key).length !== 32) fault("ENCRYPTION_KEY", "must be 32 bytes in base64 (openssl rand -base64 32)");
  }
  if (values.WORKER_MIN_CONCURRENCY > values.WORKER_CONCURRENCY && values.WORKER_MIN_CONCURRENCY !== 2)
    fault("WORKER_MIN_CONCURRENCY", "must not be more than WORKER_CONCURRENCY");
  const names = [values.MAIL_QUEUE_NAME, values.RETRY_QUEUE_NAME, values.FAILED_QUEUE_NAME];
  if (new Set(names).size < names.length) fault("MAIL_QUEUE_NAME", "and the other queue names must differ");
  return faults;
}

function shape(values: Environment): Config {
  const dataDir = resolve(values.DATA_DIR);
  const key = privateKey(values);
  return {
    production: values.APP_ENV === "production",
    port: values.API_PORT,
    logLevel: values.LOG_LEVEL,
    functions: list(values.FUNCTIONS),
    dataDir,
    publicUrl: (values.PUBLIC_URL || `http://localhost:${values.API_PORT}`).replace(/\/$/, ""),
    maxRequestBytes: values.MAX_REQUEST_SIZE_MB * 2 ** 20,
    databaseUrl: values.DATABASE_URL || undefined,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    rabbitmqUrl: values.RABBITMQ_URL || undefined,
    queues: { mail: values.MAIL_QUEUE_NAME, retry: values.RETRY_QUEUE_NAME, failed: values.FAILED_QUEUE_NAME },
    maxRetries: values.MAX_RETRY_COUNT,
    workers: {
      min: Math.min(values.WORKER_MIN_CONCURRENCY, values.WORKER_CONCURRENCY),
      max: values.WORKER_CONCURRENCY,
      prefetch: values.WORKER_PREFETCH,
    },
    cacheUrl: cacheUrl(values),
    statusTtlSeconds: values.KEYDB_STATUS_TTL_DAYS * 24 * 60 * 60,
    sender: values.MAIL_SENDER,
    unknownOutcome: values.UNKNOWN_OUTCOME,
    organisationDomains: domains(values.ORG_EMAIL_DOMAIN),
    sendgrid: values.SENDGRID_API_KEY
      ? {
          apiKey: values.SENDGRID_API_KEY,
          baseUrl: values.SENDGRID_BASE_URL.replace(/\/$/, ""),
          sandbox: values.SENDGRID_SANDBOX,
        }
      : undefined,
    microsoft: values.MICROSOFT_TENANT_ID
      ? {
          tenantId: values.MICROSOFT_TENANT_ID,
          clientId: values.MICROSOFT_CLIENT_ID,
          clientSecret: values.MICROSOFT_CLIENT_SECRET,
        }
      : undefined,
    graph: {
      authority: values.MICROSOFT_AUTHORITY.replace(/\/$/, ""),
      baseUrl: values.GRAPH_BASE_URL.replace(/\/$/, ""),
      saveToSentItems: values.GRAPH_SAVE_TO_SENT_ITEMS,
      messagesPerMinute: values.GRAPH_MESSAGES_PER_MINUTE,
      concurrency: values.GRAPH_CONCURRENCY,
    },
    relay: relay(values),
    limits: {
      departmentPerMinute: values.RATE_LIMIT_DEPARTMENT_PER_MINUTE,
      clientMailsPerHour: values.RATE_LIMIT_CLIENT_MAILS_PER_HOUR,
      recipientPerHour: values.RATE_LIMIT_RECIPIENT_PER_HOUR,
    },
    attachments: {
      folder: values.ATTACHMENT_PATH ? resolve(values.ATTACHMENT_PATH) : join(dataDir, "attachments"),
      maxBytes: values.MAX_ATTACHMENT_SIZE_MB * 2 ** 20,
      retentionDays: values.ATTACHMENT_RETENTION_DAYS,
    },
    mailRetentionDays: values.MAIL_RETENTION_DAYS,
    apiLogRetentionDays: values.API_LOG_RETENTION_DAYS,
    encryptionKeys: list(values.ENCRYPTION_KEY).map(decodeKey),
    jwt: { privateKey: typeof key === "string" ? key : undefined, secret: values.JWT_SECRET || undefined },
    shutdown: { noticeMs: values.SHUTDOWN_NOTICE_SECONDS * 1000, drainMs: values.SHUTDOWN_DRAIN_SECONDS * 1000 },
  };
}

function list(value: string): string[] {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function domains(value: string): string[] {
  return list(value).map((domain) => domain.replace(/^@/, "").toLowerCase());
}

function relay(values: Environment): Relay | undefined {
  if (values.SMTP_HOST === "") return undefined;
  const { SMTP_HOST: host, SMTP_PORT: port, SMTP_SECURE: secure, SMTP_USER: user, SMTP_PASSWORD: password } = values;
  const from = values.SMTP_FROM || undefined;
  if (values.SMTP_AUTH === "oauth2") return { host, port, secure, from, auth: { kind: "oauth2", user } };
  const auth = user === "" ? { kind: "none" as const } : { kind: "password" as const, user, password };
  return { host, port, secure, from, auth };
}

/** Base64 in either alphabet. */
function decodeKey(text: string): Buffer {
  return Buffer.from(text, "base64");
}

/** `host:port` or `redis://…`, with the password put in. */
function cacheUrl({ KEYDB_URL: given, KEYDB_PASSWORD: password }: Environment): string | undefined {
  if (given === "") return undefined;
  const full = given.includes("://") ? given : `redis://${given}`;
  if (!URL.canParse(full)) return undefined;
  const url = new URL(full);
  if (!/^rediss?:$/.test(url.protocol) || url.hostname === "") return undefined;
  if (password !== "" && url.password === "") url.password = encodeURIComponent(password);
  return url.href;
}

/** The signing key in PEM, undefined when none is given, an error that says what is wrong with it. */
function privateKey(values: Environment): string | undefined | Error {
  let pem = values.JWT_PRIVATE_KEY.replaceAll("\\n", "\n");
  if (pem === "" && values.JWT_PRIVATE_KEY_FILE !== "") {
    try {
      pem = readFileSync(values.JWT_PRIVATE_KEY_FILE, "utf8");
    } catch {
      return new Error("names a file that cannot be read");
    }
  }
  if (pem === "") return undefined;
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem);
    const bits = asymmetricKeyDetails?.modulusLength ?? 0;
    if (asymmetricKeyType !== "rsa" || bits < 2048) return new Error("must be an RSA key of at least 2048 bits");
    return pem;
  } catch {
    return new Error("is not a private key in PEM");
  }
}
