/** MikroORM where it is used, and only there: a process that administers nothing saves the 20 MB that it takes. */
import type { MikroORM } from "@mikro-orm/postgresql";
import type { OrmOptions } from "./entities.ts";

export interface Entities {
  /** A unit of work of its own: take one for each call. The first loads MikroORM. */
  fork(): Promise<MikroORM["em"]>;
  close(): Promise<void>;
}

export function openEntities(options: OrmOptions): Entities {
  let orm: Promise<MikroORM> | undefined;
  const open = async () => (await import("./entities.ts")).openOrm(options);
  return {
    fork: async () => (await (orm ??= open())).em.fork(),
    close: async () => void (await (await orm)?.close(true)),
  };
}
