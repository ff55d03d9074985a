/** The one place where the house is wired: what opens, in which order, and under which limits it runs. */
import { join } from "node:path";
import manifest from "./package.json" with { type: "json" };
import { apiLogRow, isClient } from "./lib/api-log.ts";
import type { Identified } from "./lib/auth/access.ts";
import type { KnownUser } from "./lib/crm/access.ts";
import { exportQueue } from "./lib/crm/analytics/exports/export.ts";
import type { Rule } from "./lib/crm/auto-responses/choose.ts";
import { batchQueue } from "./lib/crm/campaigns/campaign.ts";
import { releaseBatches } from "./lib/crm/campaigns/publish.ts";
import { eventQueue } from "./lib/crm/line/publish.ts";
import type { KnownSender } from "./lib/auth/known-senders.ts";
import { readConfig, type Config } from "./lib/config.ts";
import { syncQueue } from "./lib/crm/pms/tasks.ts";
import { mailQueue } from "./lib/mail/mail.ts";
import { releaseExpired } from "./lib/mail/release.ts";
import { registerBacklogMetrics } from "./lib/resources/backlog-metrics.ts";
import { openApiLog } from "./lib/resources/api-log.ts";
import { openAttachments } from "./lib/resources/attachments.ts";
import { openRabbitBroker } from "./lib/resources/broker/rabbitmq.ts";
import { noCache, openRedisCache } from "./lib/resources/cache.ts";
import { isOverdue, isUnavailable, openDatabase, type Database } from "./lib/resources/database.ts";
import { openDeployments } from "./lib/resources/deployments.ts";
import { openEmbeddedPostgres } from "./lib/resources/embedded-postgres.ts";
import { openEntities } from "./lib/resources/entity-manager.ts";
import { openGraph } from "./lib/resources/graph.ts";
import { openImages } from "./lib/resources/images.ts";
import { openInbox } from "./lib/resources/inbox.ts";
import { openLine } from "./lib/resources/line.ts";
import { openLinePace } from "./lib/resources/line-pace.ts";
import { openListener } from "./lib/resources/listener.ts";
import { openMailboxLimits } from "./lib/resources/mailbox-limits.ts";
import { openMicrosoftTokens } from "./lib/resources/microsoft-tokens.ts";
import { openNetworks } from "./lib/resources/networks.ts";
import { openMailMetrics } from "./lib/resources/mail-metrics.ts";
import { migrate } from "./lib/resources/migrations.ts";
import { openParsingTurns } from "./lib/resources/parsing-turns.ts";
import { openPms } from "./lib/resources/pms.ts";
import { openRateLimits } from "./lib/resources/rate-limits.ts";
import { openRecentCounts } from "./lib/resources/recent-counts.ts";
import { openRedis, type Redis } from "./lib/resources/redis.ts";
import { openSecrets } from "./lib/resources/secrets.ts";
import { selfSignedCertificate } from "./lib/resources/self-signed.ts";
import { openSendGrid } from "./lib/resources/sendgrid.ts";
import { openSigningKey } from "./lib/resources/signing-key.ts";
import { openSingleFlight } from "./lib/resources/single-flight.ts";
import { openSmtpRelays } from "./lib/resources/smtp-relays.ts";
import { openSpool } from "./lib/resources/spool.ts";
import { registerServiceMetrics } from "./lib/resources/service-metrics.ts";
import { claimTick } from "./lib/resources/ticks.ts";
import { setTimeZone } from "./lib/resources/time-zone.ts";
import { openWatchedCache } from "./lib/resources/watched-cache.ts";
import { openWeights } from "./lib/resources/weights.ts";
import type { Broker } from "./runtime/broker.ts";
import type { Metrics } from "./runtime/host/metrics.ts";
import { ConfigFaults, defineHouse, type Opening } from "./runtime/house.ts";
import { problems } from "./runtime/problem.ts";

const root = import.meta.dirname;

/** Bytes that heavy mails may weigh together in this process: it has 256 MB for everything. */
const heavyBytes = 32 * 2 ** 20;

/** Bytes of messages by SMTP that are in memory while they come in: of all, and of one. What is more waits in files. */
const spoolBytes = { memoryBytes: 8 * 2 ** 20, messageBytes: 256 * 1024 };

/** Bytes of large messages that are parsed and stored at once: text is in memory up to ten times then. */
const parsingBytes = 2 * 2 ** 20;

/** How many passwords are hashed at once: each takes one of the four threads that files and names wait for as well. */
const passwordsAtOnce = 2;

/** How many callers of this process claim scheduled mail at once: each holds a connection to the database meanwhile. */
const schedulesAtOnce = 2;

/**
 * How long a token or a sender is believed when changes cannot be told, in milliseconds: with what it takes to notice,
 * to look and to answer, a change holds within a second.
 */
const unwatchedMs = 700;

/** The database's address: the configured one, or that of the embedded server, which is then ours to stop. */
async function openServer(config: Config, { log, own, purpose }: Opening): Promise<string> {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const role = purpose === "serve" ? "owner" : "guest";
  return own(await openEmbeddedPostgres({ folder: config.dataDir, log, role })).url;
}

async function open(config: Config, opening: Opening) {
  const { log, metrics, own, purpose } = opening;
  const url = await openServer(config, opening);
  const db = own(
    await openDatabase({ url, poolSize: config.databasePoolSize, log, applicationName: "postroom", waitMs: 5000 }),
  );
  await migrate({ url, folder: join(root, "sql"), log });
  if (purpose === "serve") await setTimeZone(db, config.scheduleTimezone, log);
  const { rabbitmqUrl, queues, cacheUrl } = config;
  const [broker, listener] = await Promise.all([
    rabbitmqUrl === undefined
      ? // Loaded where it is used: the memory that it takes is missed where mail is large.
        import("./lib/resources/broker/pg-boss.ts").then(({ openPgBossBroker }) =>
          openPgBossBroker({ connectionString: url, log }),
        )
      : openRabbitBroker({ url: rabbitmqUrl, retryQueueName: queues.retry, log }),
    openListener({ url, log }),
  ]);
  own(broker);
  // Also where nothing consumes it: an API that starts first would publish to a queue that is not there yet.
  await broker.declare([mailQueue(config), eventQueue, batchQueue, syncQueue, exportQueue]);
  own(listener);
  const redis = cacheUrl === undefined ? undefined : own(openRedis({ url: cacheUrl, log }));
  if (purpose === "serve" && config.databaseUrl !== undefined && !config.jwt.privateKey && !config.jwt.secret) {
    log.warn(
      { folder: config.dataDir },
      "tokens are signed with a key of this folder: set JWT_PRIVATE_KEY to share them",
    );
  }
  if (purpose === "serve" && config.databaseUrl !== undefined && config.encryptionKeys.length === 0) {
    log.warn(
      { folder: config.dataDir },
      "secrets are sealed with a key of this folder: set ENCRYPTION_KEY to share them",
    );
  }
  const weights = openWeights(heavyBytes);
  const attachments = openAttachments(config.attachments.folder);
  if (purpose === "serve" && config.smtp.selfSigned && config.smtp.certificate) {
    await selfSignedCertificate(config.smtp.certificate.certFile);
  }
  const microsoftTokens = openMicrosoftTokens({ authority: config.graph.authority, listener, log });
  const resources = {
    config,
    version: manifest.version,
    db,
    entities: own(openEntities({ url, log })),
    broker,
    cache: redis ? openRedisCache(redis) : noCache,
    rateLimits: openRateLimits({ redis, registry: metrics.registry }),
    apiLog: own(openApiLog({ db, log, registry: metrics.registry })),
    callers: openWatchedCache<Identified>({ listener, channel: "client_token", max: 10_000, unwatchedMs }),
    recentCounts: openRecentCounts(),
    crmUsers: openWatchedCache<KnownUser>({ listener, channel: "crm_user", max: 10_000, unwatchedMs }),
    passwordTurns: openWeights(passwordsAtOnce),
    signingKey: await openSigningKey({ ...config.jwt, file: join(config.dataDir, "keys", "jwt.pem") }),
    secrets: await openSecrets({ keys: config.encryptionKeys, file: join(config.dataDir, "keys", "encryption.key") }),
    senderConfigs: openWatchedCache<KnownSender>({
      listener,
      channel: "sender_config",
      max: 10_000,
      unwatchedMs,
    }),
    keysUnderWay: openSingleFlight(),
    attachments,
    spool: openSpool({ newFile: attachments.newFile, ...spoolBytes }),
    parsing: openParsingTurns(parsingBytes),
    relayNetworks: openNetworks(config.smtp.networks),
    smtpProxies: openNetworks(config.smtp.proxyNetworks),
    trustedProxies: openNetworks(config.trustedProxies),
    images: openImages(config.uploads.folder),
    inbox: await openInbox(join(config.dataDir, "inbox")),
    autoResponses: openWatchedCache<readonly Rule[]>({ listener, channel: "auto_response", max: 1, unwatchedMs }),
    linePace: openLinePace({ ...config.line, redis }),
    pms: config.pms.baseUrl ? own(openPms({ ...config.pms, baseUrl: config.pms.baseUrl })) : undefined,
    line: config.line.accessToken ? own(openLine({ token: config.line.accessToken, ...config.line })) : undefined,
    sendgrid: config.sendgrid && own(openSendGrid(config.sendgrid)),
    graph: own(openGraph()),
    microsoftTokens,
    smtpRelays: own(
      openSmtpRelays({ connections: config.workers.max, application: config.microsoft, tokens: microsoftTokens }),
    ),
    mailboxes: openMailboxLimits({ ...config.graph, redis, registry: metrics.registry, log }),
    weights,
    scheduleTurns: openWeights(schedulesAtOnce),
    deployments: openDeployments(db, listener),
    mailMetrics: openMailMetrics(metrics.registry, weights),
  };
  if (purpose === "serve") registerStanding(resources, redis, metrics);
  // An embedded database is this process's alone: whoever held a lease on it has ended.
  if (purpose === "serve" && config.databaseUrl === undefined) {
    await releaseExpired({ ...resources, log }, { all: true });
    await releaseBatches({ db, log }, { all: true });
  }
  return resources;
}

/** Tells of what the process stands on and of what waits. */
function registerStanding(
  { config, db, broker }: { config: Config; db: Database; broker: Broker },
  redis: Redis | undefined,
  { registry }: Metrics,
): void {
  const services: Record<string, () => boolean> = { postgresql: () => db.isUp() };
  services[broker.driver] = () => broker.isConnected();
  if (redis) services["keydb"] = () => redis.isReady();
  registerServiceMetrics({ services, pool: db.pool, folder: config.attachments.folder, registry });
  registerBacklogMetrics({ db, broker, queues: config.queues, registry });
}

/** Where mail is taken by SMTP, for the banner. */
function smtpRow({ smtp, functions }: Config): [string, string][] {
  const tls = smtp.certificate !== undefined;
  const ports = [
    smtp.port > 0 && `smtp://localhost:${smtp.port}${tls ? " (STARTTLS)" : ""}`,
    smtp.tlsPort > 0 && tls && `smtps://localhost:${smtp.tlsPort}`,
  ].filter((port) => port !== false);
  return functions.includes("*") && ports.length > 0 ? [["SMTP", ports.join(", ")]] : [];
}

declare module "./runtime/context.ts" {
  interface Resources extends Awaited<ReturnType<typeof open>> {}
}

export default defineHouse({
  title: "Postroom",
  version: manifest.version,
  description: manifest.description,

  readConfig(env) {
    const read = readConfig(env);
    if (Array.isArray(read)) throw new ConfigFaults(read);
    return read;
  },

  logging: ({ logLevel, production }) => ({ level: logLevel, pretty: !production && process.stdout.isTTY === true }),

  functions: (config) => config.functions,

  open,

  settings: (resources) => ({
    functions: resources.config.functions,
    http: {
      port: resources.config.port,
      trustsProxy: resources.trustedProxies.has,
      corsOrigins: resources.config.corsOrigins,
    },
    production: resources.config.production,
    defaults: { concurrency: 1000, timeLimitMs: 30_000, bodyLimit: 2 ** 20 },
    // Beside attachments that come in: what a process that was killed has left there is cleaned away with theirs.
    uploadFolder: join(resources.config.attachments.folder, ".incoming"),
    broker: resources.broker,
    deploys: { store: resources.deployments, ...resources.config.deploys },
    claimTick: (name, at) => claimTick(resources.db, name, at),
    translate(error) {
      if (isUnavailable(error)) return problems.unavailable({ cause: error });
      return isOverdue(error) ? problems.timeLimit({ cause: error }) : undefined;
    },
    onCall(call) {
      const row = apiLogRow(call, new Date());
      if (row) resources.apiLog.add(row);
    },
    callerTags: (caller) => (isClient(caller) ? { client_id: caller.clientId } : {}),
    tracing: resources.config.tracing,
    isReady: () => resources.db.isUp(),
    ...resources.config.shutdown,
  }),

  async migrate(config, opening) {
    const url = await openServer(config, opening);
    const { applied } = await migrate({ url, folder: join(root, "sql"), log: opening.log });
    return applied;
  },

  async welcome(ctx, url) {
    const { config } = ctx;
    const file = join(config.dataDir, "admin-token");
    const embedded = [
      config.databaseUrl === undefined && "PostgreSQL",
      config.rabbitmqUrl === undefined && "queues (on PostgreSQL)",
      config.sender === "sandbox" || !config.sendgrid ? "sandbox inbox" : false,
    ].filter((part) => part !== false);
    const rows: [string, string][] = [
      ["API", url],
      ["Docs", `${url}/docs`],
      ...smtpRow(config),
      ["Embedded", embedded.length > 0 ? `${embedded.join(", ")}; data in ${config.dataDir}` : "nothing"],
    ];
    if (config.databaseUrl !== undefined) return rows;
    const { firstAdminToken } = await import("./lib/auth/first-token.ts");
    const token = await firstAdminToken(ctx, file);
    rows.push([
      "Admin token",
      token === undefined ? `kept in ${file}` : `${token}\n(shown this once; kept in ${file})`,
    ]);
    const { firstAdmin } = await import("./lib/crm/users/first-admin.ts");
    const crmFile = join(config.dataDir, "crm-admin");
    const admin = await firstAdmin(ctx, crmFile);
    rows.push([
      "CRM admin",
      admin === undefined
        ? `kept in ${crmFile}`
        : `${admin.username}, password ${admin.password}\n(shown this once; kept in ${crmFile})`,
    ]);
    const auth = `-H "Authorization: Bearer $(cat ${file})"`;
    const mail = `{"from":"hello@example.com","to":["you@example.com"],"subject":"First mail","body":"It works."}`;
    rows.push(["Send a mail", `curl ${url}/api/v1/mail/send ${auth} -H "Content-Type: application/json" -d '${mail}'`]);
    rows.push(["Its status", `curl ${url}/api/v1/mail/status/<mail_id> ${auth}`]);
    return rows;
  },

  async invokeHeaders({ config }) {
    const { readAdminToken } = await import("./lib/auth/first-token.ts");
    const token = await readAdminToken(join(config.dataDir, "admin-token"));
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  },

  commands: (tools) => ({
    token: async () => (await import("./lib/auth/commands.ts")).tokenCommands(tools),
    secrets: async () => (await import("./lib/auth/secret-commands.ts")).secretCommands(tools),
    user: async () => (await import("./lib/crm/users/commands.ts")).userCommands(tools),
    seed: async () => (await import("./lib/crm/seed/commands.ts")).seedCommands(tools),
    queues: async () => (await import("./lib/mail/queue-commands.ts")).queueCommands(tools),
  }),
});
