/** Makes a configuration of variables that have been checked. */
import { join, resolve } from "node:path";
import type { Relay } from "../resources/smtp-relays.ts";
import type { Config, SmtpConfig } from "./config.ts";
import { cacheUrl, decodeHeader, decodeKey, domains, imageTypes, list, networkList, privateKey } from "./readers.ts";
import type { Environment } from "./variables.ts";

export function shape(values: Environment): Config {
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
  const isOpen = values.SMTP_INBOUND_PORT !== 0 || values.SMTP_INBOUND_TLS_PORT !== 0;
  const selfSigned = values.APP_ENV !== "production" && certFile === "" && isOpen;
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
