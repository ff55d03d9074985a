/** What was found, each kind once: with the first input that brought it about. */

export interface Finding {
  kind: string;
  what: string;
  times: number;
  /** Bytes that were sent, as base64: cut where they are many. */
  input: string;
  /** What was answered, in short. */
  said: string;
}

const mostBytes = 20_000;
const mostSaid = 300;
const mostTold = 4000;

export class Findings {
  readonly #byKey = new Map<string, Finding>();
  readonly #tell: (line: string) => void;
  /** There is nothing left to try. */
  isOver = false;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  add(kind: string, what: string, input: Buffer = Buffer.alloc(0), said = ""): void {
    const key = `${kind}: ${what}`;
    const known = this.#byKey.get(key);
    if (known) return void known.times++;
    const sent = input.subarray(0, mostBytes).toString("base64");
    // At once: a run may take hours, and end before its report.
    this.#tell(
      ["FOUND", key, said.slice(0, mostSaid), sent.slice(0, mostTold)].filter((part) => part !== "").join(" "),
    );
    this.#byKey.set(key, { kind, what, times: 1, input: sent, said: said.slice(0, mostSaid) });
  }

  get all(): readonly Finding[] {
    return [...this.#byKey.values()];
  }

  report(end: string): string {
    const lines = this.all.map(({ kind, what, times, input, said }) =>
      [`${kind} (${times} times): ${what}`, said, input].filter((part) => part !== "").join("\n    "),
    );
    return [...lines, lines.length === 0 ? "Nothing found." : "", end].join("\n");
  }
}
