/**
 * Turns for parsing and storing messages. A message of text is then in memory several times, and leaves several times
 * its size in strings that are garbage a moment later: small ones have their turn at once, large ones when there is room.
 *
 * V8 lets such garbage pile up to several times of what is in use: with 50 messages of 1 MB at once to 360 MB, in a
 * process that is to do with 256. While there are large ones it is told to grow by a third at most, and so collects sooner,
 * for half as much more of processor time. With small ones that would be a bad bargain: they take a quarter longer then.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openWeights } from "./weights.ts";

/** What counts as small, in bytes. */
const smallBytes = 128 * 1024;
/** How long a large one waits for its turn, in milliseconds. */
const patienceMs = 60_000;
/** How long thrift goes on after the last large one, in milliseconds: they rarely come alone. */
const thriftMs = 2000;

export interface ParsingTurns {
  /** Resolves with a turn, to be disposed of; with undefined when it has been waited for too long, or the signal aborts. */
  take(bytes: number, signal: AbortSignal): Promise<Disposable | undefined>;
}

/** `budget` is the bytes of large messages that have their turn at once. */
export function openParsingTurns(budget: number): ParsingTurns {
  const weights = openWeights(budget);
  const collect = collector();
  const small: Disposable = { [Symbol.dispose]() {} };
  let large = 0;
  let timer: NodeJS.Timeout | undefined;

  function begin(): void {
    if (large++ > 0) return;
    if (timer) clearTimeout(timer);
    else {
      grow("sparingly");
      collect();
    }
    timer = undefined;
  }

  function end(): void {
    if (--large > 0) return;
    timer = setTimeout(() => {
      timer = undefined;
      grow("freely");
    }, thriftMs).unref();
  }

  return {
    async take(bytes, signal) {
      if (bytes <= smallBytes) return small;
      const weight = await weights.take(bytes, { withinMs: patienceMs, signal });
      if (!weight) return undefined;
      begin();
      return {
        [Symbol.dispose]() {
          weight[Symbol.dispose]();
          end();
        },
      };
    },
  };
}

/** How far the heap may grow is decided at each collection: with the first large message, that is to be now. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  return typeof collect === "function" ? () => void collect() : () => {};
}

/** V8 looks at both flags whenever it would let the heap grow, so they can be changed at any time. */
function grow(how: "sparingly" | "freely"): void {
  setFlagsFromString(`--heap-growing-percent=${how === "sparingly" ? 35 : 0}`);
  setFlagsFromString(`--semi-space-growth-factor=${how === "sparingly" ? 1 : 2}`);
}
