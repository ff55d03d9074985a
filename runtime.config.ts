/** The one place where the house is wired: what opens, in which order, and under which limits it runs. */
import { join } from "node:path";
import manifest from "./package.json" with { type: "json" };
import { tokenCommands } from "./lib/auth/commands.ts";
import { firstAdminToken, readAdminToken } from "./lib/auth/first-token.ts";
import type { Identified } from "./lib/auth/access.ts";
import { readConfig, type Config } from "./lib/config.ts";
import { mailQueue } from "./lib/mail/mail.ts";
import { releaseExpired } from "./lib/mail/release.ts";
import { openAttachments } from "./lib/resources/attachments.ts";
import { openPgBossBroker } from "./lib/resources/broker/pg-boss.ts";
import { openRabbitBroker } from "./lib/resources/broker/rabbitmq.ts";
import { noCache, openRedisCache } from "./lib/resources/cache.ts";
import { isUnavailable, openDatabase } from "./lib/resources/database.ts";
import { openEmbeddedPostgres } from "./lib/resources/embedded-postgres.ts";
import { openEntities } from "./lib/resources/entities.ts";
import { openInbox } from "./lib/resources/inbox.ts";
import { openListener } from "./lib/resources/listener.ts";
import { migrate } from "./lib/resources/migrations.ts";
import { openSendGrid } from "./lib/resources/sendgrid.ts";
import { openSigningKey } from "./lib/resources/signing-key.ts";
import { claimTick } from "./lib/resources/ticks.ts";
import { openWatchedCache } from "./lib/resources/watched-cache.ts";
import { ConfigFaults, defineHouse, type Opening } from "./runtime/house.ts";
import { problems } from "./runtime/problem.ts";

const root = import.meta.dirname;

/** The database's address: the configured one, or that of the embedded server, which is then ours to stop. */
async function openServer(config: Config, { log, own, purpose }: Opening): Promise<string> {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const role = purpose === "serve" ? "owner" : "guest";
  return own(await openEmbeddedPostgres({ folder: config.dataDir, log, role })).url;
}

async function open(config: Config, opening: Opening) {
  const { log, own, purpose } = opening;
  const url = await openServer(config, opening);
  const db = own(
    await openDatabase({ url, poolSize: config.databasePoolSize, log, applicationName: "postroom", waitMs: 5000 }),
  );
  await migrate({ url, folder: join(root, "sql"), log });
  const { rabbitmqUrl, queues, cacheUrl } = config;
  const [broker, listener, entities] = await Promise.all([
    rabbitmqUrl === undefined
      ? openPgBossBroker({ connectionString: url, log })
      : openRabbitBroker({ url: rabbitmqUrl, retryQueueName: queues.retry, log }),
    openListener({ url, log }),
    openEntities({ url, log }),
  ]);
  own(broker);
  // Also where nothing consumes it: an API that starts first would publish to a queue that is not there yet.
  await broker.declare([mailQueue(config)]);
  own(listener);
  own(entities);
  const cache = own(cacheUrl === undefined ? noCache : openRedisCache({ url: cacheUrl, log }));
  if (config.databaseUrl !== undefined && !config.jwt.privateKey && !config.jwt.secret) {
    log.warn(
      { folder: config.dataDir },
      "tokens are signed with a key of this folder: set JWT_PRIVATE_KEY to share them",
    );
  }
  const resources = {
    config,
    version: manifest.version,
    db,
    entities,
    broker,
    cache,
    callers: openWatchedCache<Identified>({ listener, channel: "client_token", max: 10_000, unwatchedMs: 1000 }),
    signingKey: await openSigningKey({ ...config.jwt, file: join(config.dataDir, "keys", "jwt.pem") }),
    attachments: openAttachments(config.attachments.folder),
    inbox: await openInbox(join(config.dataDir, "inbox")),
    sendgrid: config.sendgrid && openSendGrid(config.sendgrid),
  };
  // An embedded database is this process's alone: whoever held a lease on it has ended.
  if (purpose === "serve" && config.databaseUrl === undefined)
    await releaseExpired({ ...resources, log }, { all: true });
  return resources;
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

  open,

  settings: (resources) => ({
    functions: resources.config.functions,
    http: { port: resources.config.port },
    production: resources.config.production,
    defaults: { concurrency: 1000, timeLimitMs: 30_000, bodyLimit: 2 ** 20 },
    broker: resources.broker,
    claimTick: (name, at) => claimTick(resources.db, name, at),
    translate: (error) => (isUnavailable(error) ? problems.unavailable({ cause: error }) : undefined),
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
      ["Embedded", embedded.length > 0 ? `${embedded.join(", ")}; data in ${config.dataDir}` : "nothing"],
    ];
    if (config.databaseUrl !== undefined) return rows;
    const token = await firstAdminToken(ctx, file);
    rows.push([
      "Admin token",
      token === undefined ? `kept in ${file}` : `${token}\n(shown this once; kept in ${file})`,
    ]);
    const auth = `-H "Authorization: Bearer $(cat ${file})"`;
    const mail = `{"from":"hello@example.com","to":["you@example.com"],"subject":"First mail","body":"It works."}`;
    rows.push(["Send a mail", `curl ${url}/api/v1/mail/send ${auth} -H "Content-Type: application/json" -d '${mail}'`]);
    rows.push(["Its status", `curl ${url}/api/v1/mail/status/<mail_id> ${auth}`]);
    return rows;
  },

  async invokeHeaders({ config }) {
    const token = await readAdminToken(join(config.dataDir, "admin-token"));
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  },

  commands: (tools) => ({ token: tokenCommands(tools) }),
});
