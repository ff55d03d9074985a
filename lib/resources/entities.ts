/** What MikroORM knows of the tables, for the administrative side. Hot paths go through `database.ts`. */
import { EventEmitter } from "node:events";
import { defineEntity, p } from "@mikro-orm/core";
import { MikroORM } from "@mikro-orm/postgresql";
import type { DatabaseError, Pool, PoolClient } from "pg";
import type { Logger } from "../../runtime/context.ts";
import { crmEntities } from "./crm-entities.ts";

/** A client's own limits, in place of the system's; 0 is none. */
export interface ClientQuota {
  requests_per_minute?: number;
  mails_per_hour?: number;
}

export const ClientToken = defineEntity({
  name: "ClientToken",
  tableName: "client_tokens",
  properties: {
    id: p.uuid().primary(),
    clientId: p.string().name("client_id").unique(),
    clientName: p.string().name("client_name"),
    department: p.string().nullable(),
    permissions: p.array(),
    quota: p.json<ClientQuota>().nullable(),
    tokenHash: p.string().name("token_hash"),
    createdAt: p.datetime().name("created_at"),
    revokedAt: p.datetime().name("revoked_at").nullable(),
    isActive: p.boolean().name("is_active"),
  },
});

export const EmailSenderConfig = defineEntity({
  name: "EmailSenderConfig",
  tableName: "email_sender_configs",
  properties: {
    id: p.uuid().primary(),
    senderEmail: p.string().name("sender_email").unique(),
    msTenantId: p.string().name("ms_tenant_id"),
    msClientId: p.string().name("ms_client_id"),
    msClientSecret: p.text().name("ms_client_secret"),
    clientIds: p.array().name("client_ids").nullable(),
    isActive: p.boolean().name("is_active"),
    createdAt: p.datetime().name("created_at"),
    updatedAt: p.datetime().name("updated_at"),
  },
});

/** A job of scheduled mail. Its columns are named as its users know them, and so are its properties. */
export const ScheduledMail = defineEntity({
  name: "ScheduledMail",
  tableName: "tblschedulemail",
  properties: {
    id: p.bigint("number").primary(),
    progcode: p.string(),
    sender: p.string(),
    recipients: p.text(),
    cc: p.text().nullable(),
    bcc: p.text().nullable(),
    subject: p.text(),
    body: p.text(),
    isenabled: p.boolean(),
    nextexecutetime: p.datetime(),
    executionstatus: p.string().$type<"Pending" | "Processing" | "Success" | "Failed">(),
    smtphost: p.string().nullable(),
    smtpport: p.integer().nullable(),
    smtpuser: p.string().nullable(),
    smtppassword: p.text().nullable(),
    smtpsecure: p.string().nullable(),
    cronexpr: p.string().nullable(),
    timezone: p.string().nullable(),
    lastexecutetime: p.datetime().nullable(),
    lasterror: p.text().nullable(),
    mailid: p.uuid().nullable(),
    createdat: p.datetime(),
    updatedat: p.datetime(),
  },
});

export interface OrmOptions {
  url: string;
  log: Logger;
  /** Milliseconds that a caller may keep a connection. Default 120,000: longer than any call may take. */
  longestMs?: number;
}

/** Opens MikroORM on its own small pool. Does not connect before it is used. */
export async function openOrm({ url, log, longestMs = 120_000 }: OrmOptions): Promise<MikroORM> {
  return await MikroORM.init({
    entities: [ClientToken, EmailSenderConfig, ScheduledMail, ...crmEntities],
    dbName: decodeURIComponent(new URL(url).pathname.slice(1)),
    driverOptions: {
      connectionString: url,
      max: 5,
      connectionTimeoutMillis: 1000,
      keepAlive: true,
      statement_timeout: 10_000,
      onPoolCreated(pool: Pool) {
        pool.on("connect", withoutDetails);
        returnLost(pool, longestMs);
      },
    },
    logger: (message) => log.debug(message),
  });
}

/**
 * PostgreSQL tells the whole row that it refused in an error's `detail`, and MikroORM makes that part of the message,
 * which is logged.
 */
function withoutDetails(client: PoolClient): void {
  if (!("connection" in client && client.connection instanceof EventEmitter)) return;
  client.connection.prependListener("errorMessage", (error: DatabaseError) => {
    error.detail = undefined;
  });
}

/**
 * Kysely (0.29) keeps a connection for ever when its COMMIT or ROLLBACK fails, as it does when the connection is lost:
 * after as many outages as the pool is large, nobody would get one any more. A connection that ends while somebody has it,
 * or is kept for too long, is therefore given back here.
 */
function returnLost(pool: Pool, longestMs: number): void {
  const overdue = new Map<PoolClient, NodeJS.Timeout>();
  pool.on("acquire", (client) => {
    overdue.set(client, setTimeout(() => giveBack(client), longestMs).unref());
  });
  pool.on("release", (_error, client) => {
    clearTimeout(overdue.get(client));
    overdue.delete(client);
  });
  pool.on("connect", (client) => void client.once("end", () => giveBack(client)));

  function giveBack(client: PoolClient): void {
    if (!overdue.has(client)) return;
    const { release } = client;
    client.release = () => {}; // should its user do so after all
    release(new Error("The connection is lost"));
  }
}
