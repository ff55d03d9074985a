/** `fn top`: a live table of functions, queues, providers and processes, from `/metrics` of one or several addresses. */
import { setTimeout as pause } from "node:timers/promises";
import { OperatorError } from "../house.ts";
import { metricsAddress, read, type Away, type Reading } from "./top-read.ts";
import { show } from "./top-show.ts";
import { view, type Pair, type View } from "./top-view.ts";

export interface TopOptions {
  addresses: readonly string[];
  once: boolean;
  json: boolean;
}

/** Time between two readings, in milliseconds: while it is watched, and for a single look. */
const refreshMs = 2000;
const onceMs = 1000;

/** Shows until q or Ctrl-C; once where nobody watches. Throws when no address answers. */
export async function top({ addresses, once, json }: TopOptions): Promise<void> {
  const from = addresses.map(metricsAddress);
  if (once || json || !process.stdout.isTTY) return await topOnce(from, json);
  await topLive(from);
}

async function readAll(addresses: readonly string[]): Promise<(Reading | Away)[]> {
  return await Promise.all(addresses.map(read));
}

async function readFirst(addresses: readonly string[]): Promise<(Reading | Away)[]> {
  const found = await readAll(addresses);
  const away = found.filter((one) => "away" in one);
  if (away.length < found.length) return found;
  throw new OperatorError(away.map((one) => `${one.address}: ${one.away}`).join("\n"));
}

function pairsOf(now: readonly (Reading | Away)[], before: readonly (Reading | Away)[]): Pair[] {
  return now.map((one, index) => ({ now: one, before: before[index] }));
}

/** In raw mode the terminal makes no signal of it. */
const ctrlC = "\u0003";

const nowSeconds = () => Date.now() / 1000;

/** Two readings a second apart: a rate needs two. */
async function topOnce(addresses: readonly string[], json: boolean): Promise<void> {
  const before = await readFirst(addresses);
  await pause(onceMs);
  const seen = view(pairsOf(await readAll(addresses), before), nowSeconds());
  if (seen.processes.some(({ state }) => state === "away")) process.exitCode = 1;
  const { columns = 200 } = process.stdout;
  const lines = json ? [JSON.stringify(seen, undefined, 2)] : show(seen, titleOf(seen), { columns, rows: 1000 });
  process.stdout.write(`${lines.join("\n")}\n`);
}

function titleOf({ processes }: View): string {
  const away = processes.filter(({ state }) => state === "away").length;
  const remark = away > 0 ? `, ${away} away` : "";
  return `${new Date().toISOString().slice(11, 19)}  ${processes.length} processes${remark}`;
}

const screen = {
  /** The terminal's second screen, without a cursor: what was on the first is there again afterwards. */
  enter: "\u001b[?1049h\u001b[?25l",
  leave: "\u001b[?25h\u001b[?1049l",
  home: "\u001b[H",
  clearLine: "\u001b[K",
  clearRest: "\u001b[J",
};

async function topLive(addresses: readonly string[]): Promise<void> {
  const { stdin, stdout } = process;
  const ended = new AbortController();
  const end = () => ended.abort();
  const key = (keys: Buffer) => {
    if (["q", "Q", ctrlC].some((one) => keys.includes(one))) end();
  };
  let seen: View | undefined;
  const draw = () => {
    if (!seen) return;
    const { columns, rows } = stdout;
    const lines = show(seen, `${titleOf(seen)}   q ends`, { columns, rows });
    stdout.write(screen.home + lines.map((line) => line + screen.clearLine).join("\r\n") + screen.clearRest);
  };
  let before = await readFirst(addresses);
  stdout.write(screen.enter);
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on("data", key);
  stdout.on("resize", draw);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  try {
    seen = view(pairsOf(before, []), nowSeconds());
    draw();
    while (!ended.signal.aborted) {
      await pause(refreshMs, undefined, { signal: ended.signal }).catch(() => {}); // Ended.
      if (ended.signal.aborted) break;
      const now = await readAll(addresses);
      seen = view(pairsOf(now, before), nowSeconds());
      before = now;
      draw();
    }
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.off("data", key).pause();
    stdout.off("resize", draw);
    stdout.write(screen.leave);
  }
}
