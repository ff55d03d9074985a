/** The variables of the environment: names, defaults, and what each may be. */
import { Type, type Static, type TProperties } from "typebox";

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

/** A description marked `secret`: the value may come in a file (`NAME_FILE`). */
export const properties = {
  APP_ENV: oneOf(["development", "production", "test"], "development", "Which checks and defaults hold"),
  API_PORT: port(8080, "Port of the HTTP API"),
  LOG_LEVEL: oneOf(["trace", "debug", "info", "warn", "error", "silent"], "info", "Least level that is logged"),
  FUNCTIONS: text("Globs of the functions that this process runs", "*"),
  DATA_DIR: text("Folder of the embedded database, keys, the sandbox inbox and the first admin token", ".data"),
  PUBLIC_URL: text("Address of this system as its clients see it"),
  MAX_REQUEST_SIZE_MB: positive(110, "Largest request body"),
  TRUSTED_PROXIES: text("Networks of proxies whose X-Forwarded-For is believed, comma-separated"),

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

  SMTP_INBOUND_PORT: port(2525, "Port where mail is taken by SMTP; 0: closed"),
  SMTP_INBOUND_TLS_PORT: port(1587, "The same, where TLS comes first; 0: closed"),
  SMTP_TLS_ENABLED: flag(false, "Do not start without a certificate for SMTP"),
  SMTP_TLS_CERT_FILE: text("Certificate for SMTP, PEM, with its chain; read again when it changes"),
  SMTP_TLS_KEY_FILE: text("File of its key, PEM"),
  SMTP_AUTH_REQUIRED: flag(false, "Everybody has to sign in, also from SMTP_ALLOWED_NETWORKS"),
  SMTP_AUTH_WITHOUT_TLS: flag(false, "Clients may sign in without TLS, where their tokens can be read on the way"),
  SMTP_ALLOWED_NETWORKS: text(
    "Networks whose clients need not sign in, comma-separated, or none",
    "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,fe80::/10",
  ),
  SMTP_PROXY_NETWORKS: text("Networks of proxies that say by the PROXY protocol whom they bring, comma-separated"),
  SMTP_ALLOWED_DOMAINS: text("Domains of senders by SMTP, comma-separated; without it, any"),
  SMTP_MAX_MESSAGE_SIZE_MB: positive(25, "Largest message by SMTP"),
  SMTP_MAX_CONNECTIONS: positive(500, "Connections by SMTP at once"),
  SMTP_MAX_CONNECTIONS_PER_ADDRESS: positive(100, "The same from one address"),
  SMTP_IDLE_TIMEOUT_SECONDS: positive(300, "Longest silence of an SMTP client"),
  SMTP_MESSAGE_TIMEOUT_SECONDS: positive(600, "Longest time that an SMTP client may take for a mail"),

  SCHEDULE_TIMEZONE: text("Time zone of scheduled mail, for times without an offset", "Asia/Taipei"),

  LINE_CHANNEL_ACCESS_TOKEN: text("LINE's Messaging API; without it the CRM sends nothing (secret)"),
  LINE_CHANNEL_SECRET: text("Signs what LINE's webhook brings (secret)"),
  LINE_API_BASE_URL: text("Address of LINE's Messaging API", "https://api.line.me"),
  LINE_DATA_BASE_URL: text("Address of LINE's content", "https://api-data.line.me"),
  LINE_MULTICAST_PER_SECOND: orNone(200, "Multicasts of campaigns a second, of all containers; 0: no limit"),
  LINE_PUSH_PER_SECOND: orNone(2000, "Pushes of campaigns a second, of all containers; 0: no limit"),
  UPLOAD_DIR: text("Folder of uploaded pictures; DATA_DIR/uploads without it"),
  MAX_FILE_SIZE: positive(10 * 2 ** 20, "Largest uploaded picture, in bytes"),
  ALLOWED_IMAGE_TYPES: text("Kinds of pictures that are taken: of jpg, jpeg, png and webp", "jpg,jpeg,png,webp"),
  CORS_ORIGINS: text("Origins whose pages may call the API, such as https://crm.example.com, comma-separated"),
  PMS_API_URL: text("The hotel's PMS; without it, in development, one in memory"),
  PMS_API_KEY: text("Key of the PMS (secret)"),
  PMS_SYNC_INTERVAL: Type.Integer({
    minimum: 60,
    default: 3600,
    description: "Seconds between two synchronisations with the PMS",
  }),
  CRM_REQUESTS_PER_MINUTE: orNone(100, "Requests per user of the CRM and minute; 0: no limit"),
  CRM_SENDS_PER_MINUTE: orNone(50, "Of these, requests that send messages or campaigns; 0: no limit"),

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
  JWT_SECRET: text("Signs tokens with HS256 when there is no RSA key (secret)"),

  DEPLOY_MAX_FAULT_PERCENT: Type.Integer({
    minimum: 0,
    maximum: 100,
    default: 5,
    description: "Share of calls that may fail by a new version's fault before it is taken back",
  }),
  DEPLOY_WATCH_SECONDS: orNone(300, "Seconds that a new version is watched for that; 0: never"),

  OTEL_EXPORTER_OTLP_ENDPOINT: text("Collector that traces are sent to by OTLP over HTTP; without it, none are kept"),
  OTEL_EXPORTER_OTLP_HEADERS: text("Headers for it, name=value, comma-separated (secret)"),
  OTEL_SERVICE_NAME: text("Name of this system there", "postroom"),
  TRACES_SAMPLED_PERCENT: Type.Integer({
    minimum: 0,
    maximum: 100,
    default: 100,
    description: "How many of a hundred traces that begin here are kept",
  }),

  SHUTDOWN_NOTICE_SECONDS: orNone(0, "Seconds between not ready and closing the door"),
  SHUTDOWN_DRAIN_SECONDS: positive(25, "Seconds that calls in progress may take to end when stopping"),
} satisfies TProperties;

export const Environment = Type.Object(properties);
export type Environment = Static<typeof Environment>;
