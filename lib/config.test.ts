import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../ops/harness/test.ts";
import { readConfig, type Config } from "./config.ts";

const test = suite("configuration");

const rsa = (bits: number) =>
  generateKeyPairSync("rsa", { modulusLength: bits }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const goodKey = rsa(2048);

function read(env: Record<string, string> = {}): Config {
  const config = readConfig(env);
  if (Array.isArray(config)) throw new Error(JSON.stringify(config));
  return config;
}

/** The faults as an operator reads them: `VARIABLE what is wrong`. */
function faults(env: Record<string, string>): string[] {
  const config = readConfig(env);
  return Array.isArray(config) ? config.map(({ variable, message }) => `${variable} ${message}`) : [];
}

test("with nothing set, everything is embedded and has the documented defaults", () => {
  const { dataDir, attachments, uploads, ...rest } = read();
  assert.is(dataDir, join(process.cwd(), ".data"));
  assert.equal(attachments, { folder: join(dataDir, "attachments"), maxBytes: 25 * 2 ** 20, retentionDays: 30 });
  const imageTypes = ["jpeg", "png", "webp"];
  assert.equal(uploads, { folder: join(dataDir, "uploads"), maxFileBytes: 10 * 2 ** 20, imageTypes });
  assert.equal(rest, {
    production: false,
    port: 8080,
    logLevel: "info",
    functions: ["*"],
    publicUrl: "http://localhost:8080",
    maxRequestBytes: 110 * 2 ** 20,
    trustedProxies: [],
    corsOrigins: [],
    crm: { requestsPerMinute: 100, sendsPerMinute: 50 },
    line: {
      accessToken: undefined,
      channelSecret: undefined,
      baseUrl: "https://api.line.me",
      dataBaseUrl: "https://api-data.line.me",
      multicastPerSecond: 200,
      pushPerSecond: 2000,
    },
    pms: { baseUrl: undefined, apiKey: undefined, intervalSeconds: 3600 },
    databaseUrl: undefined,
    databasePoolSize: 20,
    rabbitmqUrl: undefined,
    queues: { mail: "mail-queue", retry: "retry-queue", failed: "failed-mails" },
    maxRetries: 5,
    workers: { min: 2, max: 10, prefetch: 10 },
    cacheUrl: undefined,
    statusTtlSeconds: 14 * 86_400,
    sender: "auto",
    unknownOutcome: "retry",
    organisationDomains: [],
    sendgrid: undefined,
    microsoft: undefined,
    graph: {
      authority: "https://login.microsoftonline.com",
      baseUrl: "https://graph.microsoft.com/v1.0",
      saveToSentItems: true,
      messagesPerMinute: 30,
      concurrency: 4,
    },
    relay: undefined,
    smtp: {
      port: 2525,
      tlsPort: 1587,
      certificate: {
        certFile: join(dataDir, "keys", "smtp-tls.pem"),
        keyFile: join(dataDir, "keys", "smtp-tls.pem"),
      },
      selfSigned: true,
      authRequired: false,
      authWithoutTls: false,
      networks: ["127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"],
      proxyNetworks: [],
      allowedDomains: [],
      maxMessageBytes: 25 * 2 ** 20,
      connections: { total: 500, perAddress: 100 },
      patience: { idleMs: 300_000, mailMs: 600_000 },
      hostname: "localhost",
    },
    scheduleTimezone: "Asia/Taipei",
    limits: { departmentPerMinute: 200, clientMailsPerHour: 500, recipientPerHour: 10 },
    mailRetentionDays: 0,
    apiLogRetentionDays: 90,
    encryptionKeys: [],
    jwt: { privateKey: undefined, secret: undefined },
    deploys: { maxFaultShare: 0.05, watchMs: 300_000 },
    tracing: undefined,
    shutdown: { noticeMs: 0, drainMs: 25_000 },
  });
});

test("an empty or blank variable is one that is not set, as in a compose file", () => {
  assert.equal(read({ API_PORT: "", DATABASE_URL: "  ", MAIL_SENDER: "", ORG_EMAIL_DOMAIN: " , " }), read());
});

test("what is set is read, and spaces around it do not count", () => {
  const config = read({
    API_PORT: " 18080 ",
    FUNCTIONS: "mail/*, auth/*",
    DATA_DIR: "/srv/data",
    ATTACHMENT_PATH: "/mnt/files/",
    PUBLIC_URL: "https://mail.example.com/",
    ORG_EMAIL_DOMAIN: "@Corp.Example, sub.corp.example",
    SENDGRID_API_KEY: "SG.key",
    SENDGRID_BASE_URL: "http://127.0.0.1:9/",
    WORKER_CONCURRENCY: "50",
    WORKER_PREFETCH: "20",
    MAX_RETRY_COUNT: "0",
    KEYDB_STATUS_TTL_DAYS: "1",
  });
  assert.is(config.port, 18_080);
  assert.equal(config.functions, ["mail/*", "auth/*"]);
  assert.is(config.dataDir, "/srv/data");
  assert.is(config.attachments.folder, "/mnt/files");
  assert.is(config.publicUrl, "https://mail.example.com");
  assert.equal(config.organisationDomains, ["corp.example", "sub.corp.example"]);
  assert.equal(config.sendgrid, { apiKey: "SG.key", baseUrl: "http://127.0.0.1:9", sandbox: false });
  assert.equal(config.workers, { min: 2, max: 50, prefetch: 20 });
  assert.is(config.maxRetries, 0);
  assert.is(config.statusTtlSeconds, 86_400);
});

test("SMTP has a certificate of its own while developing, in production only the one that is given", () => {
  const production = { APP_ENV: "production", JWT_SECRET: "0123456789abcdef" };
  assert.is(read(production).smtp.certificate, undefined);
  const closed = { SMTP_INBOUND_PORT: "0", SMTP_INBOUND_TLS_PORT: "0" };
  assert.equal([read(closed).smtp.selfSigned, read(closed).smtp.certificate], [false, undefined]);
  assert.is(read({ ...closed, SMTP_INBOUND_PORT: "2525" }).smtp.selfSigned, true);
  const given = { SMTP_TLS_CERT_FILE: "/tls/full.pem", SMTP_TLS_KEY_FILE: "/tls/key.pem" };
  for (const env of [given, { ...production, ...given, SMTP_TLS_ENABLED: "true" }]) {
    assert.equal(read(env).smtp.certificate, { certFile: "/tls/full.pem", keyFile: "/tls/key.pem" });
    assert.is(read(env).smtp.selfSigned, false);
  }
  assert.equal(faults({ ...production, SMTP_TLS_ENABLED: "true" }), [
    "SMTP_TLS_CERT_FILE is required in production with SMTP_TLS_ENABLED",
  ]);
  assert.equal(faults({ SMTP_TLS_CERT_FILE: "/x" }), ["SMTP_TLS_KEY_FILE is required with SMTP_TLS_CERT_FILE"]);
  assert.equal(faults({ SMTP_TLS_KEY_FILE: "/x" }), ["SMTP_TLS_CERT_FILE is required with SMTP_TLS_KEY_FILE"]);
});

test("networks and domains that SMTP is open to are read, and each that is none is told", () => {
  assert.equal(read({ SMTP_ALLOWED_NETWORKS: "none" }).smtp.networks, []);
  const { smtp } = read({ SMTP_ALLOWED_NETWORKS: "10.1.0.0/16, fd00::/8", SMTP_ALLOWED_DOMAINS: "@Corp.Example" });
  assert.equal(smtp.networks, ["10.1.0.0/16", "fd00::/8"]);
  assert.equal(smtp.allowedDomains, ["corp.example"]);
  assert.equal(faults({ SMTP_ALLOWED_NETWORKS: "10.0.0.0/33, corp.example", SMTP_ALLOWED_DOMAINS: "no domain" }), [
    "SMTP_ALLOWED_DOMAINS must be domain names, such as example.com, with commas between them: entry 1 is none",
    "SMTP_ALLOWED_NETWORKS must be networks, such as 10.0.0.0/8, with commas between them: entry 1 is none",
    "SMTP_ALLOWED_NETWORKS must be networks, such as 10.0.0.0/8, with commas between them: entry 2 is none",
  ]);
  const proxies = { SMTP_PROXY_NETWORKS: "10.9.0.2", TRUSTED_PROXIES: "10.9.0.0/24, ::1" };
  assert.equal(read(proxies).smtp.proxyNetworks, ["10.9.0.2"]);
  assert.equal(read(proxies).trustedProxies, ["10.9.0.0/24", "::1"]);
  assert.equal(faults({ SMTP_PROXY_NETWORKS: "haproxy", TRUSTED_PROXIES: "*" }), [
    "SMTP_PROXY_NETWORKS must be networks, such as 10.0.0.0/8, with commas between them: entry 1 is none",
    "TRUSTED_PROXIES must be networks, such as 10.0.0.0/8, with commas between them: entry 1 is none",
  ]);
  assert.equal(faults({ SMTP_INBOUND_PORT: "8080" }), ["SMTP_INBOUND_PORT and the other ports must differ"]);
  assert.is(read({ SMTP_INBOUND_PORT: "0", SMTP_INBOUND_TLS_PORT: "0" }).smtp.port, 0);
});

const caches: [env: Record<string, string>, url: string][] = [
  [{ KEYDB_URL: "cache:6379" }, "redis://cache:6379"],
  [{ KEYDB_URL: "127.0.0.1:6379/3" }, "redis://127.0.0.1:6379/3"],
  [{ KEYDB_URL: "rediss://cache:6380" }, "rediss://cache:6380"],
  [{ KEYDB_URL: "cache:6379", KEYDB_PASSWORD: "p@ss/w%rd" }, "redis://:p%40ss%2Fw%25rd@cache:6379"],
  [{ KEYDB_URL: "redis://:own@cache:6379", KEYDB_PASSWORD: "other" }, "redis://:own@cache:6379"],
];
for (const [env, url] of caches) {
  test(`the cache of ${JSON.stringify(env)} is ${url}`, () => assert.is(read(env).cacheUrl, url));
}

test("a relay is read with its way to sign in", () => {
  const { relay } = read({ SMTP_HOST: "relay.example", SMTP_USER: "u", SMTP_PASSWORD: "p", SMTP_SECURE: "tls" });
  assert.equal(relay, {
    host: "relay.example",
    port: 587,
    secure: "tls",
    from: undefined,
    auth: { kind: "password", user: "u", password: "p" },
  });
});

const keys = [1, 2].map((byte) => Buffer.alloc(32, byte));
test("several keys seal and open secrets, the first of them seals", () => {
  const text = keys.map((key) => key.toString("base64")).join(",");
  assert.equal(read({ ENCRYPTION_KEY: text }).encryptionKeys, keys);
});

test("the signing key comes on one line, on several, or in a file", async () => {
  const file = join(await temporaryFolder(), "key.pem");
  await writeFile(file, goodKey);
  const given = [
    { JWT_PRIVATE_KEY: goodKey },
    { JWT_PRIVATE_KEY: goodKey.replaceAll("\n", "\\n") },
    { JWT_PRIVATE_KEY_FILE: file },
  ];
  for (const env of given) {
    assert.is(read({ ...env, APP_ENV: "production" }).jwt.privateKey?.trim(), goodKey.trim());
  }
});

test("production asks for a key or a secret, and takes either", () => {
  const config = read({ APP_ENV: "production", JWT_SECRET: "0123456789abcdef" });
  assert.is(config.production, true);
  assert.equal(config.jwt, { privateKey: undefined, secret: "0123456789abcdef" });
});

test("the time zone of scheduled mail has a name", () => {
  assert.is(read({ SCHEDULE_TIMEZONE: "Europe/Berlin" }).scheduleTimezone, "Europe/Berlin");
  for (const wrong of ["+08:00", "Mars/Olympus"]) {
    const message = 'must be a time zone of the IANA database, such as "Asia/Taipei"';
    assert.equal(faults({ SCHEDULE_TIMEZONE: wrong }), [`SCHEDULE_TIMEZONE ${message}`]);
  }
});

test("pages may call from origins alone, and pictures are of what LINE and browsers know", () => {
  const { corsOrigins, uploads } = read({
    CORS_ORIGINS: "https://crm.example.com, http://localhost:5173",
    ALLOWED_IMAGE_TYPES: "jpg, jpeg",
    UPLOAD_DIR: "/srv/uploads",
  });
  assert.equal(corsOrigins, ["https://crm.example.com", "http://localhost:5173"]);
  assert.equal([uploads.imageTypes, uploads.folder], [["jpeg"], "/srv/uploads"]);
  for (const origin of ["*", "crm.example.com", "https://crm.example.com/", "https://crm.example.com:443", "null"]) {
    assert.match(faults({ CORS_ORIGINS: origin }).join(), "CORS_ORIGINS must be origins");
  }
  assert.match(faults({ ALLOWED_IMAGE_TYPES: "jpg,svg" }).join(), "ALLOWED_IMAGE_TYPES must be");
});

test.run();
