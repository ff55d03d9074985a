/** MikroORM: the administrative side. Hot paths go through `database.ts`. */
import { defineEntity, p } from "@mikro-orm/core";
import { MikroORM } from "@mikro-orm/postgresql";
import type { Logger } from "../../runtime/context.ts";

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

export interface Entities {
  /** A unit of work of its own: take one for each call. */
  fork(): MikroORM["em"];
  close(): Promise<void>;
}

/** Opens MikroORM on its own small pool. Does not connect before it is used. */
export async function openEntities({ url, log }: { url: string; log: Logger }): Promise<Entities> {
  const orm = await MikroORM.init({
    entities: [ClientToken],
    dbName: decodeURIComponent(new URL(url).pathname.slice(1)),
    driverOptions: { connectionString: url, max: 5, connectionTimeoutMillis: 1000 },
    logger: (message) => log.debug(message),
  });
  return { fork: () => orm.em.fork(), close: () => orm.close(true) };
}
