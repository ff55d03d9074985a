/** What was found, each kind once: with the first input that brought it about. */

export interface Finding {
  kind: string;
  what: string;
  times: number;
  /** Bytes that were sent, as base64: cut where they are many. */
  input: string;
}

const mostBytes = 20_000;

export class Findings {
  readonly #byKey = new Map<string, Finding>();
  readonly #tell: (line: string) => void;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  add(kind: string, what: string, input: Buffer = Buffer.alloc(0)): void {
    const key = `${kind}: ${what}`;
    const known = this.#byKey.get(key);
    if (known) return void known.times++;
    this.#tell(`FOUND ${key}`);
    this.#byKey.set(key, { kind, what, times: 1, input: input.subarray(0, mostBytes).toString("base64") });
  }

  get all(): readonly Finding[] {
    return [...this.#byKey.values()];
  }

  report(end: string): string {
    const lines = this.all.map(({ kind, what, times, input }) => `${kind} (${times} times): ${what}\n    ${input}`);
    return [...lines, lines.length === 0 ? "Nothing found." : "", end].join("\n");
  }
}
