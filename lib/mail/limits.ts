/** How much mail a client may hand in, and a recipient may get. */
import { hash } from "node:crypto";
import type { Context } from "../../runtime/context.ts";
import type { Problem } from "../../runtime/problem.ts";
import type { Caller } from "../auth/caller.ts";
import { refusedBy } from "../rate-limited.ts";
import type { RateLimit, RateLimits, Verdict } from "../resources/rate-limits.ts";

/** What the limits said to the mails of one request. */
export interface Allowance {
  /** For each mail, in order: why it is not taken; undefined for one that is. */
  readonly refused: readonly (Problem | undefined)[];
  /** Gives everything back that was taken: none of the mails was stored after all. */
  giveBack(): void;
  /** Gives back what one mail has taken. Does nothing for a mail that was refused, or the second time. */
  giveBackOne(index: number): void;
}

/**
 * Counts mails against their client's limit and that of each recipient (`to`, `cc` and `bcc` in this order, whatever
 * their case; one that is named twice counts once). A refused mail uses nothing up, and of several mails the earlier
 * ones win. Never throws: with KeyDB away, all pass.
 */
export async function takeAllowance(
  { config, rateLimits }: Pick<Context, "config" | "rateLimits">,
  caller: Pick<Caller, "clientId" | "quota">,
  mails: readonly { readonly recipients: readonly string[] }[],
): Promise<Allowance> {
  const { clientMailsPerHour, recipientPerHour } = config.limits;
  const perClient = hourly("mails", caller.quota.mailsPerHour ?? clientMailsPerHour);
  const perRecipient = hourly("recipients", recipientPerHour);
  const refused = mails.map((): Problem | undefined => undefined);
  const taken = mails.map((): [RateLimit, key: string][] => []);

  const giveBackOne = (index: number) => {
    for (const [limit, key] of taken[index]?.splice(0) ?? []) rateLimits.giveBack(limit, key);
  };

  /** Takes a point of every recipient; with one that has none left, nothing, and the mail's other points go back. */
  async function takeRecipients(index: number, recipients: readonly string[]): Promise<void> {
    if (perRecipient.points === 0) return;
    const asked = firstPositions(recipients).map(async ([address, position]) => {
      // The address itself is nobody's business who looks into KeyDB.
      const key = hash("sha256", address, "base64url");
      const verdict = await rateLimits.take(perRecipient, key);
      if (verdict.counted) taken[index]?.push([perRecipient, key]);
      return { position, verdict };
    });
    const full = (await Promise.all(asked)).filter(({ verdict }) => !verdict.passed);
    if (full.length === 0) return;
    giveBackOne(index);
    refused[index] = recipientsFull(perRecipient, full);
  }

  for (let next = 0; next < mails.length;) {
    const own = await takeUpTo(rateLimits, perClient, caller.clientId, mails.length - next);
    if (own.points === 0) {
      refused.fill(clientUsedUp(perClient, own.verdict), next);
      break;
    }
    // What these give back is there for the next ones.
    const round = mails.slice(next, next + own.points);
    await Promise.all(
      round.map(({ recipients }, offset) => {
        if (own.verdict.counted) taken[next + offset]?.push([perClient, caller.clientId]);
        return takeRecipients(next + offset, recipients);
      }),
    );
    next += own.points;
  }
  return { refused, giveBackOne, giveBack: () => mails.forEach((_, index) => giveBackOne(index)) };
}

function hourly(name: string, points: number): RateLimit {
  return { name, points, seconds: 3600 };
}

const unlimited: Verdict = { passed: true, counted: false, remaining: Infinity, waitMs: 0 };

/** Takes as many points as there are, up to `wanted`; when there are none, the verdict says until when. */
async function takeUpTo(rateLimits: RateLimits, limit: RateLimit, key: string, wanted: number) {
  if (limit.points === 0) return { points: wanted, verdict: unlimited };
  let points = wanted;
  let verdict = await rateLimits.take(limit, key, points);
  while (!verdict.passed && verdict.remaining > 0) {
    points = verdict.remaining;
    verdict = await rateLimits.take(limit, key, points);
  }
  return { points: verdict.passed ? points : 0, verdict };
}

/** Each address in lower case, with its first position in the list. */
function firstPositions(addresses: readonly string[]): [address: string, position: number][] {
  const positions = new Map<string, number>();
  for (const [position, address] of addresses.entries()) {
    const same = address.toLowerCase();
    if (!positions.has(same)) positions.set(same, position);
  }
  return [...positions];
}

function clientUsedUp(limit: RateLimit, verdict: Verdict): Problem {
  return refusedBy({ limit, verdict, message: `This client has sent its ${limit.points} mails of an hour` });
}

/** Names recipients by their position, for a problem may be logged. */
function recipientsFull(limit: RateLimit, full: readonly { position: number; verdict: Verdict }[]): Problem {
  const waitMs = Math.max(...full.map(({ verdict }) => verdict.waitMs));
  const details = full.map(({ position }) => ({
    field: `recipients[${position}]`,
    message: `has been sent its ${limit.points} mails of an hour`,
  }));
  const message = "A recipient of this mail gets no more of them within the hour";
  return refusedBy({ limit, verdict: { remaining: 0, waitMs }, message, details });
}
