/**
 * What Prometheus is told of what waits: mail, scheduled mail and LINE's events as the database has them, queues as the
 * broker has them.
 * Every container tells the same. It is asked for at most every few seconds, and `/metrics` never waits for who is away.
 */
import { Gauge, type Registry } from "prom-client";
import type { Broker } from "../../runtime/broker.ts";
import { selectBacklog, selectMails, type BacklogRow } from "./backlog.sql.ts";
import type { Database } from "./database.ts";
import { sampled, type SampleOptions } from "./sampled.ts";

/** No count of `selectBacklog` goes further: what is more is told as this many. */
const mostCounted = 10_000;

/** Whose queue mail is in, by its state. */
const kinds: Readonly<Record<string, "mail" | "failed">> = { waiting: "mail", failed: "failed" };

export interface BacklogOptions extends SampleOptions {
  db: Pick<Database, "query">;
  broker: Pick<Broker, "depth">;
  /** Names of the queue of mail, and of the one of mail that was given up: they may be set, their `kind` not. */
  queues: { mail: string; failed: string };
  registry: Registry;
}

export function registerBacklogMetrics({ db, broker, queues, registry, ...options }: BacklogOptions): void {
  const readBacklog = sampled(async () => (await db.query<BacklogRow>(selectBacklog, [mostCounted])).rows, options);
  const readMails = sampled(async () => (await db.query<{ status: string; count: number }>(selectMails)).rows, options);
  const depthOf = (kind: "mail" | "failed") =>
    sampled(async () => ({ kind, depth: await broker.depth(queues[kind]) }), options);
  const readDepths = [depthOf("mail"), depthOf("failed")];

  gauge("mails", "Mails in the database by status", ["status"], async (set) => {
    for (const { status, count } of (await readMails()) ?? []) set({ status }, count);
  });
  gauge("mail_backlog", `Mails by state, at most ${mostCounted} of each`, ["state"], async (set) => {
    for (const { of, state, count } of (await readBacklog()) ?? []) if (of === "mail") set({ state }, count);
  });
  gauge("queue_oldest_seconds", "How long the oldest has waited, or is given up", ["queue", "kind"], async (set) => {
    for (const { of, state, oldest } of (await readBacklog()) ?? []) {
      const kind = of === "mail" ? kinds[state] : undefined;
      if (kind) set({ queue: queues[kind], kind }, oldest ?? 0);
    }
  });
  gauge("schedule_jobs", `Jobs of scheduled mail by state, at most ${mostCounted} of each`, ["state"], async (set) => {
    for (const { of, state, count } of (await readBacklog()) ?? []) if (of === "schedule") set({ state }, count);
  });
  gauge("schedule_oldest_due_seconds", "How long the oldest due job has been due", [], async (set) => {
    const due = (await readBacklog())?.find(({ of, state }) => of === "schedule" && state === "due");
    if (due) set({}, due.oldest ?? 0);
  });
  gauge(
    "line_events",
    `Events of LINE not handled yet by state, at most ${mostCounted} of each`,
    ["state"],
    async (set) => {
      for (const { of, state, count } of (await readBacklog()) ?? []) if (of === "line") set({ state }, count);
    },
  );
  gauge("line_events_oldest_seconds", "How long the oldest event of LINE has not been handled", [], async (set) => {
    const events = (await readBacklog())?.filter(({ of }) => of === "line");
    if (events) set({}, Math.max(0, ...events.map(({ oldest }) => oldest ?? 0)));
  });
  gauge("queue_messages", "Messages of a queue by state", ["queue", "kind", "state"], async (set) => {
    for (const found of await Promise.all(readDepths.map((read) => read()))) {
      if (!found) continue;
      const { kind, depth } = found;
      for (const state of ["ready", "delayed", "active"] as const)
        set({ queue: queues[kind], kind, state }, depth[state]);
    }
  });

  type Set = (labels: Record<string, string>, value: number) => void;
  function gauge(name: string, help: string, labelNames: string[], collect: (set: Set) => Promise<void>): void {
    const made: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        const values: Parameters<Set>[] = [];
        await collect((...value) => void values.push(value));
        // At once, so that whoever reads meanwhile does not find half of it.
        made.reset();
        if (labelNames.length === 0 && values.length === 0) made.remove();
        for (const [labels, value] of values) made.set(labels, value);
      },
    });
  }
}
