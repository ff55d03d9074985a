/** Who got what through LINE's stand-in, cheap enough for a million users: a number for each delivery. */

export interface LineDelivery {
  requestId: string;
  step: "push" | "multicast" | "reply";
  retryKey: string | null;
  unit: string | null;
  /** Undefined where messages are not kept. */
  messages: readonly Record<string, unknown>[] | undefined;
}

export interface LineLedger {
  /** Every accepted request, in order; empty where messages are not kept. */
  readonly deliveries: readonly LineDelivery[];
  /** Users who got something. */
  readonly users: number;
  /** Copies over all users: what counts against the quota, and replies. */
  readonly copies: number;
  /** What somebody got, in order; of blocked users nothing. */
  received(userId: string): LineDelivery[];
  /** How many deliveries somebody got. */
  count(userId: string): number;
  /** Users by how many deliveries they got: `{1: 99_998, 2: 1}`. */
  histogram(): Record<number, number>;
  add(delivery: LineDelivery, to: readonly string[]): void;
  clear(): void;
}

/** `keep`: the messages, too; else only the numbers. */
export function makeLedger(keep: boolean): LineLedger {
  const deliveries: LineDelivery[] = [];
  /** Of a user: how many; or, where messages are kept, which: one, or some. */
  const users = new Map<string, number | number[]>();
  let copies = 0;
  const count = (userId: string) => {
    const known = users.get(userId);
    if (known === undefined) return 0;
    if (typeof known !== "number") return known.length;
    return keep ? 1 : known;
  };
  return {
    deliveries,
    get users() {
      return users.size;
    },
    get copies() {
      return copies;
    },
    received(userId) {
      const known = users.get(userId);
      if (known === undefined || !keep) return [];
      return (typeof known === "number" ? [known] : known).flatMap((index) => deliveries[index] ?? []);
    },
    count,
    histogram() {
      const all: Record<number, number> = {};
      for (const userId of users.keys()) all[count(userId)] = (all[count(userId)] ?? 0) + 1;
      return all;
    },
    add(delivery, to) {
      const index = keep ? deliveries.push(delivery) - 1 : 1;
      copies += to.length;
      for (const userId of to) {
        const known = users.get(userId);
        if (known === undefined) users.set(userId, index);
        else if (typeof known !== "number") known.push(index);
        else users.set(userId, keep ? [known, index] : known + 1);
      }
    },
    clear() {
      deliveries.length = 0;
      users.clear();
      copies = 0;
    },
  };
}
