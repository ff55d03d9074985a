/**
 * What a mailbox may take at once and in a minute, for all processes together. It only slows down: who is held comes
 * again. With KeyDB away, each process keeps the limits for itself, and the provider's own limits do the rest.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Counter, type Registry } from "prom-client";
import type { Logger } from "../../runtime/context.ts";
import { openProcessSlots } from "./mailbox-limits/process.ts";
import { openRedisSlots } from "./mailbox-limits/redis.ts";
import type { MailboxRules, MailboxSlots } from "./mailbox-limits/slots.ts";
import { within, type Redis } from "./redis.ts";

export interface MailboxLimits {
  /** A place at the mailbox, waited for a moment; or when to come again. Throws when the signal aborts. */
  enter(mailbox: string, mailId: string, signal: AbortSignal): Promise<Place | Held>;
}

export interface Held {
  kind: "held";
  delayMs: number;
  /** Which limit, for the mail's timeline. */
  reason: string;
}

export interface Place {
  kind: "place";
  /** To be asked right before the request that sends the mail. From then on the mail counts as sent. */
  depart(signal: AbortSignal): Promise<Held | undefined>;
  /** Gives the place to the next. */
  leave(): Promise<void>;
}

export interface MailboxLimitsOptions {
  /** 0: no limit. */
  messagesPerMinute: number;
  concurrency: number;
  /** Without it, the limits are this process's own. */
  redis: Redis | undefined;
  registry: Registry;
  log: Logger;
}

/**
 * A minute, and what a request may be quicker on its way than one before it: at the provider, too, no minute is to have
 * more mails.
 */
const windowMs = 60_500;
const permitMs = 10_000;
/** Up to this a wait is not worth coming again for. */
const shortWaitMs = 1000;
/** How long is waited for a permit. */
const permitWaitMs = 2000;

export function openMailboxLimits(options: MailboxLimitsOptions): MailboxLimits {
  const { messagesPerMinute, concurrency } = options;
  const rules: MailboxRules = { perWindow: messagesPerMinute, windowMs, atOnce: concurrency, permitMs };
  const slots = sharedSlots(rules, options);

  /** Undefined: it may go. */
  async function queue(signal: AbortSignal, ...mail: Parameters<MailboxSlots["enter"]>): Promise<Held | undefined> {
    for (let tries = 3; ; tries--) {
      const delayMs = await slots.enter(...mail);
      if (delayMs === 0) return undefined;
      if (delayMs > shortWaitMs || tries === 0) {
        return { kind: "held", delayMs, reason: `The mailbox sends ${messagesPerMinute} mails a minute` };
      }
      await pause(delayMs, undefined, { signal });
    }
  }

  async function waitForPermit(signal: AbortSignal, mailbox: string, permit: string): Promise<boolean> {
    const until = performance.now() + permitWaitMs;
    while (!(await slots.hold(mailbox, permit))) {
      if (performance.now() >= until) return false;
      await pause(50 + 100 * Math.random(), undefined, { signal });
    }
    return true;
  }

  return {
    async enter(mailbox, mailId, signal) {
      const held = await queue(signal, mailbox, mailId);
      if (held) return held;
      const permit = randomUUID();
      if (!(await waitForPermit(signal, mailbox, permit))) {
        const delayMs = 1000 + Math.round(1000 * Math.random());
        return { kind: "held", delayMs, reason: `The mailbox takes ${concurrency} requests at once` };
      }
      const prolonging = setInterval(() => void slots.hold(mailbox, permit).catch(() => {}), permitMs / 4).unref();
      return {
        kind: "place",
        depart: (by) => queue(by, mailbox, mailId, permit),
        async leave() {
          clearInterval(prolonging);
          await slots.release(mailbox, permit);
        },
      };
    },
  };
}

/** Those in KeyDB as long as it answers, else those of this process. */
function sharedSlots(rules: MailboxRules, { redis, registry, log }: MailboxLimitsOptions): MailboxSlots {
  const own = openProcessSlots(rules);
  if (!redis) return own;
  const shared = openRedisSlots(redis, rules);
  const alone = new Counter({
    name: "mailbox_limits_unshared_total",
    help: "Times that a mailbox limit was kept by this process alone, with KeyDB away",
    registers: [registry],
  });
  let away = false;

  async function ask<T extends number | boolean>(question: (slots: MailboxSlots) => Promise<T>): Promise<T> {
    const answer = redis?.isReady() ? await within(1000, question(shared)).catch(() => undefined) : undefined;
    if (answer === undefined) {
      if (!away) log.warn("KeyDB is away: each process keeps the limits of mailboxes for itself");
      alone.inc();
    }
    away = answer === undefined;
    return answer ?? question(own);
  }

  return {
    enter: (...mail) => ask((slots) => slots.enter(...mail)),
    hold: (mailbox, permit) => ask((slots) => slots.hold(mailbox, permit)),
    async release(mailbox, permit) {
      await own.release(mailbox, permit);
      // One that is not given back ends by itself.
      if (redis?.isReady()) await within(1000, shared.release(mailbox, permit)).catch(() => {});
    },
  };
}
