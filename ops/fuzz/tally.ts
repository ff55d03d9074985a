/** What was answered, by operation. */

const classes = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "503", "4xx", "5xx", "none"] as const;
type Class = (typeof classes)[number];

function classOf(status: number): Class {
  const own = classes.find((name) => name === String(status));
  if (own) return own;
  return status === 0 ? "none" : (classes.find((name) => name === `${Math.floor(status / 100)}xx`) ?? "none");
}

export class Tally {
  readonly #statuses = new Map<number, number>();
  readonly #byOperation = new Map<string, Map<Class, number>>();

  /** `status` 0: it was not answered. */
  add(operation: string, status: number): void {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    const counts = this.#byOperation.get(operation) ?? new Map<Class, number>();
    this.#byOperation.set(operation, counts);
    const name = classOf(status);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  get statuses(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#statuses].toSorted(([a], [b]) => a - b));
  }

  /** Operations that were never answered with success: 2xx, or where they lead elsewhere, 3xx. */
  get unreached(): string[] {
    return [...this.#byOperation]
      .filter(([, counts]) => !counts.has("2xx") && !counts.has("3xx"))
      .map(([name]) => name)
      .toSorted();
  }

  get summary(): { statuses: Readonly<Record<string, number>>; unreached: string[] } {
    return { statuses: this.statuses, unreached: this.unreached };
  }

  /** For people: a line for each operation, and for all of them. */
  table(): string {
    const rows = [...this.#byOperation].toSorted(([a], [b]) => a.localeCompare(b));
    const all = new Map<Class, number>();
    for (const [, counts] of rows) for (const [name, count] of counts) all.set(name, (all.get(name) ?? 0) + count);
    const line = (title: string, counts: ReadonlyMap<Class, number>) =>
      `${title.padEnd(52)}${classes.map((name) => String(counts.get(name) ?? "·").padStart(8)).join("")}`;
    const head = `${"".padEnd(52)}${classes.map((name) => name.padStart(8)).join("")}`;
    const unreached = this.unreached.length === 0 ? "none" : this.unreached.join(", ");
    const lines = [head, ...rows.map(([title, counts]) => line(title, counts)), line("all", all)];
    return [...lines, `Never answered with success: ${unreached}`].join("\n");
  }
}
