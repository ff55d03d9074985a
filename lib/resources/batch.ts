/** Micro-batching: calls of one statement that come together become one multi-row statement and share its commit. */
import { createHash } from "node:crypto";
import { DatabaseError, type QueryResult } from "pg";

/**
 * A statement for many rows at once. `sql` takes one parameter, `$1`: a JSON array of rows, each with its index in the
 * array as `i`. It returns any number of rows, each with the integer `i` of the row that it answers.
 */
export interface Statement<In extends object, Out extends object> extends BatchedSql {
  /** Never set: carries the types of the row and of the answer. */
  readonly types?: (row: In) => Out;
}

interface BatchedSql {
  /** Shown in errors, and a part of the prepared statement's name. */
  readonly name: string;
  readonly sql: string;
  /** Most rows in one batch. Default 500. */
  readonly max?: number;
}

/** Runs one prepared statement in a transaction of its own, and returns its rows. */
export type Run = (query: { name: string; text: string; values: [string] }) => Promise<{ rows: object[] }>;

export interface Batcher {
  /**
   * Resolves with the rows that answer `row`, once their statement has been committed. Rejects with the error of its
   * own row alone: a fault in another row of the batch does not touch it. May share a commit, never a fate.
   */
  batch<In extends object, Out extends object>(
    statement: Statement<In, Out>,
    row: In,
  ): Promise<(Out & { i: number })[]>;
  /** Resolves when nothing is under way. */
  drain(): Promise<void>;
}

interface Call {
  /** The row as JSON, taken when the call was made. */
  json: string;
  /** It fills a batch: `json` is all of its parameter. */
  isAlone: boolean;
  /** The rows are of the type that the statement claims: only its SQL could tell. */
  resolve(rows: QueryResult["rows"]): void;
  reject(error: unknown): void;
}

interface Group {
  statement: BatchedSql;
  preparedName: string;
  waiting: Call[];
  underWay: number;
  /** A batch is about to leave. */
  scheduled: boolean;
  /** Runs while a few wait for the batch under way. */
  patience: NodeJS.Timeout | undefined;
}

const lanes = 2;
/** How many calls are worth a second batch beside one under way, which costs a statement and a commit more. */
const worthALane = 16;
/** How long fewer wait for the one under way, in ms: should it wait for a lock, they shall not. */
const patienceMs = 20;
/** Characters of JSON after which a batch is full: one huge mail must not hold up, or be held up by, 499 others. */
const maxCharacters = 4_000_000;

/** `isLost` tells an error that came with the connection's loss, which no other batch of that moment would survive. */
export function openBatcher(run: Run, isLost: (error: unknown) => boolean): Batcher {
  const groups = new Map<string, Group>();
  /** Once for each statement, and not for each call: a hash of the whole SQL costs more than its row. */
  const preparedNames = new WeakMap<BatchedSql, string>();
  const onIdle: (() => void)[] = [];

  function groupOf(statement: BatchedSql): Group {
    let preparedName = preparedNames.get(statement);
    if (preparedName === undefined) preparedNames.set(statement, (preparedName = prepare(statement)));
    const known = groups.get(preparedName);
    if (known) return known;
    const group: Group = { statement, preparedName, waiting: [], underWay: 0, scheduled: false, patience: undefined };
    groups.set(preparedName, group);
    return group;
  }

  function schedule(group: Group): void {
    if (group.waiting.length === 0 || group.underWay >= lanes) return;
    if (group.underWay === 0 || group.waiting.length >= worthALane) leave(group);
    else group.patience ??= setTimeout(leave, patienceMs, group);
  }

  /** The first call leaves at the end of this microtask turn; with a batch under way, all of this turn of the event loop leave together. */
  function leave(group: Group): void {
    if (group.scheduled) return;
    group.scheduled = true;
    if (group.underWay === 0) queueMicrotask(() => void send(group));
    else setImmediate(() => void send(group));
  }

  async function send(group: Group): Promise<void> {
    group.scheduled = false;
    clearTimeout(group.patience);
    group.patience = undefined;
    if (group.waiting.length === 0) return; // they went with a connection that was lost
    const calls = take(group);
    group.underWay++;
    schedule(group);
    try {
      await answer(group, calls, run);
    } catch (error) {
      const lost = isLost(error) ? group.waiting.splice(0) : [];
      for (const call of [...calls, ...lost]) call.reject(error);
    }
    group.underWay--;
    schedule(group);
    if (group.underWay > 0 || group.waiting.length > 0) return;
    groups.delete(group.preparedName);
    if (groups.size === 0) for (const resolve of onIdle.splice(0)) resolve();
  }

  return {
    batch(statement, row) {
      return new Promise((resolve, reject) => {
        // Here, so that a row that is no JSON fails alone, and so that the caller may change the row afterwards.
        const json = JSON.stringify(row);
        const group = groupOf(statement);
        const isAlone = json.length > maxCharacters;
        group.waiting.push({ json: isAlone ? aloneOutsideHeap(json) : json, isAlone, resolve, reject });
        schedule(group);
      });
    },
    async drain() {
      if (groups.size > 0) await new Promise<void>((resolve) => onIdle.push(resolve));
    },
  };
}

/** Differs with the SQL, so that an old and a redeployed statement of one name live side by side. */
function prepare({ name, sql }: BatchedSql): string {
  const hash = createHash("sha256").update(`${name}\n${sql}`).digest("hex").slice(0, 16);
  return `${name.slice(0, 40)}_${hash}`;
}

function take(group: Group): Call[] {
  let rows = 0;
  let characters = 0;
  for (const { json } of group.waiting) {
    characters += json.length;
    if (rows > 0 && (rows >= (group.statement.max ?? 500) || characters > maxCharacters)) break;
    rows++;
  }
  return group.waiting.splice(0, rows);
}

/** Settles every call, or throws an error that belongs to all of them. */
async function answer(group: Group, calls: Call[], run: Run): Promise<void> {
  const values: [string] = [parameterOf(calls)];
  try {
    const { rows } = await run({ name: group.preparedName, text: group.statement.sql, values });
    const answers = calls.map((): object[] => []);
    for (const row of rows) {
      const answered = "i" in row && typeof row.i === "number" ? answers[row.i] : undefined;
      if (!answered) throw new Error(`The statement ${group.statement.name} returned a row without a valid i.`);
      answered.push(row);
    }
    for (const [i, call] of calls.entries()) call.resolve(answers[i] ?? []);
  } catch (error) {
    if (calls.length === 1 || !isRowsFault(error)) throw error;
    const half = Math.ceil(calls.length / 2);
    for (const part of [calls.slice(0, half), calls.slice(half)]) {
      try {
        await answer(group, part, run);
      } catch (cause) {
        for (const call of part) call.reject(cause);
      }
    }
  }
}

/**
 * Whether a row was at fault, and not the server: data (22), constraints (23), two rows for one key (21000), more than a
 * value can hold (54). Nothing of the statement was kept.
 */
export function isRowsFault(error: unknown): boolean {
  const code = error instanceof DatabaseError ? (error.code ?? "") : "";
  return /^(?:22|23|54|21000)/.test(code);
}

function parameterOf(calls: readonly Call[]): string {
  const [first] = calls;
  return first?.isAlone ? first.json : `[${calls.map(({ json }, i) => withIndex(json, i)).join()}]`;
}

/**
 * The parameter of a batch of one large row, outside of V8's heap, where Node keeps each text of a megabyte or more that it
 * decodes. Within it, three times what a thousand mails in Chinese came to, 11 MB, was too much for a heap of 112 MB.
 */
function aloneOutsideHeap(json: string): string {
  const [start, end] = ["[", ',"i":0}]'];
  const bytes = Buffer.from(new ArrayBuffer(start.length + Buffer.byteLength(json) - 1 + end.length));
  bytes.write(start);
  bytes.write(json, start.length);
  // Over the row's last brace.
  bytes.write(end, bytes.length - end.length);
  const text = bytes.toString();
  // At once, and not when the collector of garbage finds it, which does not see what lies outside of its heap.
  bytes.buffer.transfer(0);
  return text;
}

/** Last, so that it wins over an `i` of the row's own. */
function withIndex(json: string, i: number): string {
  return json === "{}" ? `{"i":${i}}` : `${json.slice(0, -1)},"i":${i}}`;
}
