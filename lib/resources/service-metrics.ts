/** What Prometheus is told of what the process stands on: whether it is there, and how much room is left for files. */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { Gauge, type Registry } from "prom-client";
import { sampled } from "./sampled.ts";

export interface ServiceMetricsOptions {
  /** By name: whether it answered last. Must not wait. */
  services: Readonly<Record<string, () => boolean>>;
  /** Connections to the database. */
  pool: { readonly totalCount: number; readonly idleCount: number; readonly waitingCount: number };
  /** Where files are kept. */
  folder: string;
  registry: Registry;
}

export function registerServiceMetrics({ services, pool, folder, registry }: ServiceMetricsOptions): void {
  const up: Gauge = new Gauge({
    name: "service_up",
    help: "Whether a service answers this process",
    labelNames: ["service"],
    registers: [registry],
    collect() {
      for (const [service, isUp] of Object.entries(services)) up.set({ service }, Number(isUp()));
    },
  });
  const connections: Gauge = new Gauge({
    name: "database_connections",
    help: "Connections to PostgreSQL in use and idle, and who waits for one",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      const { totalCount, idleCount, waitingCount } = pool;
      connections.set({ state: "used" }, totalCount - idleCount);
      connections.set({ state: "idle" }, idleCount);
      connections.set({ state: "waiting" }, waitingCount);
    },
  });
  // A network's file system may not answer at all.
  const readRoom = sampled(async () => {
    const { bsize, bavail, blocks } = await statfs(nearest(folder));
    return { free: bavail * bsize, size: blocks * bsize };
  });
  for (const [part, help] of [
    ["free", "Bytes that are free where files are kept"],
    ["size", "Bytes in all where files are kept"],
  ] as const) {
    const room: Gauge = new Gauge({
      name: `files_${part}_bytes`,
      help,
      registers: [registry],
      async collect() {
        const found = await readRoom();
        if (found) room.set(found[part]);
        else room.remove();
      },
    });
  }
}

/** Before the first file its folder may not be there. */
function nearest(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearest(dirname(folder));
}
