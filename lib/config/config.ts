/** What is configured, as the rest of the house reads it. */
import type { Relay } from "../resources/smtp-relays.ts";

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
