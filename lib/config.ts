/** The environment, read once: names and defaults, what is allowed, and every fault by the name of its variable. */
import { join, resolve } from "node:path";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import {
  cacheUrl,
  decodeHeader,
  decodeKey,
  domains,
  imageTypes,
  list,
  networkList,
  privateKey,
} from "./config/readers.ts";
import { fileOf, readSecretFiles } from "./config/secret-files.ts";
import { checkTogether, type ConfigFault } from "./config/together.ts";
import { Environment, properties } from "./config/variables.ts";

export type { ConfigFault } from "./config/together.ts";

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

/** How mail is taken by SMTP. */
export interface SmtpConfig {
  /** 0: closed. */
  port: number;
  tlsPort: number;
  /** Absent: no TLS. */
  certificate: { certFile: string; keyFile: string } | undefined;
  /** Whether the certificate is to be made by ourselves, where it is not there: for development. */
  selfSigned: boolean;
  authRequired: boolean;
  authWithoutTls: boolean;
  /** Whose clients need not sign in. */
  networks: readonly string[];
  /** Of proxies, which say by the PROXY protocol who their clients are. */
  proxyNetworks: readonly string[];
  /** Of senders, in lower case; empty: any. */
  allowedDomains: readonly string[];
  maxMessageBytes: number;
  connections: { total: number; perAddress: number };
  patience: { idleMs: number; mailMs: number };
  /** What this host calls itself. */
  hostname: string;
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
  /** Networks of proxies, whose X-Forwarded-For says who their clients are. */
  trustedProxies: readonly string[];
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
  smtp: SmtpConfig;
  /** Of scheduled mail, for times without an offset: a name of the IANA database. */
  scheduleTimezone: string;
  /** Of the CRM; 0: no limit. */
  crm: { requestsPerMinute: number; sendsPerMinute: number };
  line: {
    /** Absent: nothing is sent. */
    accessToken: string | undefined;
    /** Absent: no webhook is believed. */
    channelSecret: string | undefined;
    baseUrl: string;
    dataBaseUrl: string;
    /** Requests of campaigns; 0: no limit. */
    multicastPerSecond: number;
    pushPerSecond: number;
  };
  /** Without `baseUrl`, one in memory. */
  pms: { baseUrl: string | undefined; apiKey: string | undefined; intervalSeconds: number };
  /** 0: no limit. */
  limits: { departmentPerMinute: number; clientMailsPerHour: number; recipientPerHour: number };
  /** Pictures of the CRM. */
  uploads: { folder: string; maxFileBytes: number; imageTypes: readonly ("jpeg" | "png" | "webp")[] };
  /** Whose pages may call the API: exactly as browsers send them. */
  corsOrigins: readonly string[];
  attachments: { folder: string; maxBytes: number; retentionDays: number };
  /** 0: for ever. */
  mailRetentionDays: number;
  apiLogRetentionDays: number;
  /** 32 bytes each; the first seals, all of them open. */
  encryptionKeys: readonly Buffer[];
  jwt: { privateKey: string | undefined; secret: string | undefined };
  /** Absent: no traces are kept. */
  tracing:
    { endpoint: string; headers: Readonly<Record<string, string>>; service: string; percent: number } | undefined;
  shutdown: { noticeMs: number; drainMs: number };
  /** When a new version of a function is taken back by itself. */
  deploys: { maxFaultShare: number; watchMs: number };
}

/** Reads the environment, and files of secrets. Returns the configuration, or everything that is wrong with it. */
export function readConfig(variables: Readonly<Record<string, string | undefined>>): Config | ConfigFault[] {
  const { env, files, faults } = readSecretFiles(variables);
  const isWhole = faults.length === 0;
  const given: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries<VariableSchema>(properties)) {
    const raw = env[name]?.trim();
    given[name] = raw === undefined || raw === "" ? schema.default : coerce(schema, raw);
    if (Value.Check(schema, given[name])) continue;
    faults.push({ variable: name, message: expectation(schema, raw ?? "") });
    given[name] = schema.default; // So that what else is wrong can be told, too.
  }
  const values = Value.Parse(Environment, given);
  // A secret that could not be read would look like one that is not set.
  if (isWhole) faults.push(...checkTogether(values));
  if (faults.length === 0) return shape(values);
  return faults.map(({ variable, message }) => ({
    variable: files.has(variable) ? fileOf(variable) : variable,
    message,
  }));
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

function shape(values: Environment): Config {
  const dataDir = resolve(values.DATA_DIR);
  const key = privateKey(values);
  return {
    production: values.APP_ENV === "production",
    port: values.API_PORT,
    logLevel: values.LOG_LEVEL,
    functions: list(values.FUNCTIONS),
    dataDir,
    publicUrl: publicUrl(values),
    maxRequestBytes: values.MAX_REQUEST_SIZE_MB * 2 ** 20,
    trustedProxies: networkList(values.TRUSTED_PROXIES),
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
          baseUrl: withoutSlash(values.SENDGRID_BASE_URL),
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
      authority: withoutSlash(values.MICROSOFT_AUTHORITY),
      baseUrl: withoutSlash(values.GRAPH_BASE_URL),
      saveToSentItems: values.GRAPH_SAVE_TO_SENT_ITEMS,
      messagesPerMinute: values.GRAPH_MESSAGES_PER_MINUTE,
      concurrency: values.GRAPH_CONCURRENCY,
    },
    relay: relay(values),
    smtp: smtp(values, dataDir),
    scheduleTimezone: values.SCHEDULE_TIMEZONE,
    crm: { requestsPerMinute: values.CRM_REQUESTS_PER_MINUTE, sendsPerMinute: values.CRM_SENDS_PER_MINUTE },
    line: {
      accessToken: values.LINE_CHANNEL_ACCESS_TOKEN || undefined,
      channelSecret: values.LINE_CHANNEL_SECRET || undefined,
      baseUrl: withoutSlash(values.LINE_API_BASE_URL),
      dataBaseUrl: withoutSlash(values.LINE_DATA_BASE_URL),
      multicastPerSecond: values.LINE_MULTICAST_PER_SECOND,
      pushPerSecond: values.LINE_PUSH_PER_SECOND,
    },
    pms: {
      baseUrl: withoutSlash(values.PMS_API_URL) || undefined,
      apiKey: values.PMS_API_KEY || undefined,
      intervalSeconds: values.PMS_SYNC_INTERVAL,
    },
    limits: {
      departmentPerMinute: values.RATE_LIMIT_DEPARTMENT_PER_MINUTE,
      clientMailsPerHour: values.RATE_LIMIT_CLIENT_MAILS_PER_HOUR,
      recipientPerHour: values.RATE_LIMIT_RECIPIENT_PER_HOUR,
    },
    uploads: {
      folder: values.UPLOAD_DIR ? resolve(values.UPLOAD_DIR) : join(dataDir, "uploads"),
      maxFileBytes: values.MAX_FILE_SIZE,
      imageTypes: imageTypes(values.ALLOWED_IMAGE_TYPES),
    },
    corsOrigins: list(values.CORS_ORIGINS),
    attachments: {
      folder: values.ATTACHMENT_PATH ? resolve(values.ATTACHMENT_PATH) : join(dataDir, "attachments"),
      maxBytes: values.MAX_ATTACHMENT_SIZE_MB * 2 ** 20,
      retentionDays: values.ATTACHMENT_RETENTION_DAYS,
    },
    mailRetentionDays: values.MAIL_RETENTION_DAYS,
    apiLogRetentionDays: values.API_LOG_RETENTION_DAYS,
    encryptionKeys: list(values.ENCRYPTION_KEY).map(decodeKey),
    jwt: { privateKey: typeof key === "string" ? key : undefined, secret: values.JWT_SECRET || undefined },
    deploys: {
      maxFaultShare: values.DEPLOY_MAX_FAULT_PERCENT / 100,
      watchMs: values.DEPLOY_WATCH_SECONDS * 1000,
    },
    tracing: tracing(values),
    shutdown: { noticeMs: values.SHUTDOWN_NOTICE_SECONDS * 1000, drainMs: values.SHUTDOWN_DRAIN_SECONDS * 1000 },
  };
}

/** Values of headers may be percent-encoded, as OpenTelemetry has it. */
function tracing(values: Environment): Config["tracing"] {
  if (values.OTEL_EXPORTER_OTLP_ENDPOINT === "") return undefined;
  const headers = list(values.OTEL_EXPORTER_OTLP_HEADERS).map((header): [string, string] => {
    const at = header.indexOf("=");
    return [header.slice(0, at).trim(), decodeHeader(header.slice(at + 1).trim())];
  });
  return {
    endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    headers: Object.fromEntries(headers),
    service: values.OTEL_SERVICE_NAME,
    percent: values.TRACES_SAMPLED_PERCENT,
  };
}

function relay(values: Environment): Relay | undefined {
  if (values.SMTP_HOST === "") return undefined;
  const { SMTP_HOST: host, SMTP_PORT: port, SMTP_SECURE: secure, SMTP_USER: user, SMTP_PASSWORD: password } = values;
  const from = values.SMTP_FROM || undefined;
  if (values.SMTP_AUTH === "oauth2") return { host, port, secure, from, auth: { kind: "oauth2", user } };
  const auth = user === "" ? { kind: "none" as const } : { kind: "password" as const, user, password };
  return { host, port, secure, from, auth };
}

function publicUrl({ PUBLIC_URL: given, API_PORT: port }: Environment): string {
  return withoutSlash(given || `http://localhost:${port}`);
}

function withoutSlash(address: string): string {
  return address.replace(/\/$/, "");
}

function smtp(values: Environment, dataDir: string): SmtpConfig {
  const { SMTP_TLS_CERT_FILE: certFile, SMTP_TLS_KEY_FILE: keyFile } = values;
  const selfSigned = values.APP_ENV !== "production" && certFile === "";
  // Both in one file: so it is there whole, or not at all.
  const own = join(dataDir, "keys", "smtp-tls.pem");
  const given = certFile === "" ? undefined : { certFile: resolve(certFile), keyFile: resolve(keyFile) };
  return {
    port: values.SMTP_INBOUND_PORT,
    tlsPort: values.SMTP_INBOUND_TLS_PORT,
    certificate: selfSigned ? { certFile: own, keyFile: own } : given,
    selfSigned,
    authRequired: values.SMTP_AUTH_REQUIRED,
    authWithoutTls: values.SMTP_AUTH_WITHOUT_TLS,
    networks: networkList(values.SMTP_ALLOWED_NETWORKS),
    proxyNetworks: networkList(values.SMTP_PROXY_NETWORKS),
    allowedDomains: domains(values.SMTP_ALLOWED_DOMAINS),
    maxMessageBytes: values.SMTP_MAX_MESSAGE_SIZE_MB * 2 ** 20,
    connections: { total: values.SMTP_MAX_CONNECTIONS, perAddress: values.SMTP_MAX_CONNECTIONS_PER_ADDRESS },
    patience: {
      idleMs: values.SMTP_IDLE_TIMEOUT_SECONDS * 1000,
      mailMs: values.SMTP_MESSAGE_TIMEOUT_SECONDS * 1000,
    },
    hostname: new URL(publicUrl(values)).hostname,
  };
}
