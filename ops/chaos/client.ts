/** A client of the fleet that does not give up: asks again until it has an answer, whatever got lost. */
import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "../harness/random.ts";

export interface Reply {
  status: number;
  text: string;
  /** The body, when it is a JSON object; else an empty one. */
  body: Record<string, unknown>;
}

/** Long enough for a client to give up on, in milliseconds: a line that is silent answers never. */
export const patienceMs = 10_000;
/** Clients that wait for an answer at once; who comes then waits his turn, so that no heap of tries grows in an outage. */
const atOnce = 100;
/** Refusals that say: not now. */
const busy = new Set([429, 503, 504]);

export interface Request {
  url: string;
  init: RequestInit;
}

export interface Client {
  /** Undefined when no answer came. Waits for its turn. */
  ask(request: Request): Promise<Reply | undefined>;
  /** Asks up to 200 times, until `isDone`. `notNow`: further statuses to ask again after. Undefined when it never was. */
  insist(
    make: (tries: number) => Request,
    isDone: (reply: Reply) => boolean,
    notNow?: number[],
  ): Promise<Reply | undefined>;
  /** Whether an answer says: not now. */
  isBusy(reply: Reply): boolean;
}

/** `odd`: is told answers that are neither what was wanted nor "not now". */
export function makeClient(random: Random, odd: string[]): Client {
  let open = 0;
  const isBusy = ({ status }: Reply) => busy.has(status);

  async function ask({ url, init }: Request): Promise<Reply | undefined> {
    while (open >= atOnce) await pause(50);
    open++;
    try {
      return await fetchWithin(url, init);
    } catch {
      return undefined;
    } finally {
      open--;
    }
  }
  return {
    ask,
    isBusy,
    async insist(make, isDone, notNow = []) {
      for (let tries = 0; tries < 200; tries++) {
        const request = make(tries);
        const reply = await ask(request);
        if (reply && isDone(reply)) return reply;
        if (reply && !isBusy(reply) && !notNow.includes(reply.status))
          odd.push(`${new URL(request.url).pathname}: ${reply.status} ${reply.text}`);
        await pause(random.between(500, 5000));
      }
      return undefined;
    },
  };
}

/** Begins one after the other at a steady rate, however long each takes. `stop` waits for what is under way. `one` never fails. */
export function steadily(perSecond: number, one: (count: number) => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const under = new Set<Promise<void>>();
  const beginning = (async () => {
    const from = performance.now();
    for (let count = 0; !stopping.signal.aborted; count++) {
      const done = one(count).finally(() => under.delete(done));
      under.add(done);
      const wait = from + ((count + 1) * 1000) / perSecond - performance.now();
      await pause(Math.max(0, wait), undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await beginning;
      await Promise.all(under);
    },
  };
}

async function fetchWithin(url: string, init: RequestInit): Promise<Reply> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(patienceMs) });
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, text, body: typeof body === "object" && body !== null ? { ...body } : {} };
}
