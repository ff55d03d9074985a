/** What was found, each kind once: with the first input that brought it about. */

export interface Finding {
  kind: string;
  what: string;
  times: number;
  /** Bytes that were sent, as base64: cut where they are many. */
  input: string;
  /** What the same connection had carried just before, as base64: a fault may be an echo of it. */
  before: readonly string[];
  /** What was answered, in short. */
  said: string;
}

export interface Evidence {
  input?: Buffer;
  before?: readonly Buffer[];
  said?: string;
}

const mostBytes = 20_000;
const mostSaid = 300;
const mostTold = 4000;

/** Whether it may be for want of time. What a 500 was for is in the log, too. */
function isLate(kind: string, what: string): boolean {
  return /^(?:no answer|no end|stuck|500|504)$/.test(kind) || (kind === "log" && /timeout|timed ?out/i.test(what));
}

export class Findings {
  readonly #byKey = new Map<string, Finding>();
  readonly #tell: (line: string) => void;
  /** There is nothing left to try. */
  isOver = false;
  /** The system gets too little of the processor: nobody can tell then what is late by itself. */
  isStarved = false;
  /** What was late in such a time, and is no finding. */
  excused = 0;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  add(kind: string, what: string, { input = Buffer.alloc(0), before = [], said = "" }: Evidence = {}): void {
    if (this.isStarved && isLate(kind, what)) return void this.excused++;
    const key = `${kind}: ${what}`;
    const known = this.#byKey.get(key);
    if (known) return void known.times++;
    const finding = {
      kind,
      what,
      times: 1,
      input: written(input),
      before: before.map(written),
      said: said.slice(0, mostSaid),
    };
    this.#byKey.set(key, finding);
    // At once: a run may take hours, and end before its report.
    this.#tell(["FOUND", key, ...evidenceOf(finding).map((part) => part.slice(0, mostTold))].join(" "));
  }

  get all(): readonly Finding[] {
    return [...this.#byKey.values()];
  }

  report(end: string): string {
    const lines = this.all.map((finding) =>
      [`${finding.kind} (${finding.times} times): ${finding.what}`, ...evidenceOf(finding)].join("\n    "),
    );
    return [...lines, lines.length === 0 ? "Nothing found." : "", end].join("\n");
  }
}

const written = (bytes: Buffer): string => bytes.subarray(0, mostBytes).toString("base64");

function evidenceOf({ said, input, before }: Finding): string[] {
  return [said, input, ...before.map((bytes) => `after ${bytes}`)].filter((part) => part !== "");
}
