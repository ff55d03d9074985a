/** How the mail queue stands: what the broker holds, and how long the database has been waiting. */
import type { Context } from "../../runtime/context.ts";
import { mailQueue } from "./mail.ts";
import { selectBacklog } from "./queues.sql.ts";

export interface QueueState {
  queue: string;
  /** Messages that wait now. */
  ready: number;
  /** Messages that wait for their next attempt. */
  delayed: number;
  /** Mails that workers have claimed: RabbitMQ does not tell what others have in hand. */
  active: number;
}

export interface MailsState {
  mails: "waiting" | "sent later" | "processing" | "failed";
  count: number;
  /** Seconds that the oldest of them has been so; null without one, and for what is sent later. */
  oldest_seconds: number | null;
}

/** The mails that are not settled, or have failed, as the database has them. */
export async function readBacklog({ db }: Context): Promise<MailsState[]> {
  return (await db.query<MailsState>(selectBacklog)).rows;
}

/** The queues as the broker has them. Throws while it is away. */
export async function readQueues({ broker, config }: Context, backlog: readonly MailsState[]): Promise<QueueState[]> {
  const { name, deadLetter } = mailQueue(config);
  const [main, failed] = await Promise.all([broker.depth(name), broker.depth(deadLetter)]);
  const active = backlog.find(({ mails }) => mails === "processing")?.count ?? 0;
  return [
    { queue: name, ready: main.ready, delayed: main.delayed, active },
    { queue: deadLetter, ready: failed.ready, delayed: 0, active: 0 },
  ];
}
