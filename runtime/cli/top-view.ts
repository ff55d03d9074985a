/** What `fn top` shows: numbers of all processes together, from two readings of each. Pure. */
import type { Away, Reading, Sample } from "./top-read.ts";

/** Rates are by the second; durations in seconds. What is not known is undefined. */
export interface FunctionView {
  function: string;
  trigger: string;
  calls: number;
  errors: number;
  p50: number | undefined;
  p95: number | undefined;
  in_flight: number;
  shed: number;
  /** Versions that run, newest meaning first: `464447707c69`, and `canary 81f2…` beside it. */
  version: string;
}

export interface QueueView {
  queue: string;
  ready: number;
  delayed: number;
  oldest: number | undefined;
  taken: number;
  retries: number;
  dead: number;
}

export interface ProviderView {
  provider: string;
  accepted: number;
  throttled: number;
  held: number;
  failed: number;
  unknown: number;
  p95: number | undefined;
}

export interface ProcessView {
  process: string;
  state: "ready" | "not ready" | "away";
  /** Why it is away, and what is away for it. */
  remark: string;
  memory: number | undefined;
  memory_limit: number | undefined;
  heap: number | undefined;
  /** Of one processor. */
  cpu: number | undefined;
  /** Event loop delay, 99 %. */
  loop: number | undefined;
  uptime: number | undefined;
}

export interface View {
  functions: FunctionView[];
  queues: QueueView[];
  providers: ProviderView[];
  processes: ProcessView[];
}

/** A process now and before; without a reading before there are no rates. */
export interface Pair {
  now: Reading | Away;
  before: Reading | Away | undefined;
}

/** One metric of all processes, with what has been added to each sample in between, by the second. */
interface Row extends Sample {
  rate: number;
}

/** `nowSeconds` is the time since 1970. */
export function view(pairs: readonly Pair[], nowSeconds: number): View {
  const rows = (name: string) => pairs.flatMap((pair) => ratesOf(pair, name));
  return {
    functions: functionsOf(rows),
    queues: queuesOf(rows),
    providers: providersOf(rows),
    processes: pairs.map((pair) => processOf(pair, nowSeconds)),
  };
}

type Rows = (name: string) => Row[];

function ratesOf({ now, before }: Pair, name: string): Row[] {
  if ("away" in now) return [];
  const samples = now.samples.get(name) ?? [];
  if (!before || "away" in before) return samples.map((sample) => ({ ...sample, rate: 0 }));
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const earlier = new Map((before.samples.get(name) ?? []).map(({ labels, value }) => [keyOf(labels), value]));
  return samples.map((sample) => {
    const previous = earlier.get(keyOf(sample.labels)) ?? 0;
    // A counter that has become less was begun anew, with its process.
    const added = sample.value >= previous ? sample.value - previous : sample.value;
    return { ...sample, rate: added / seconds };
  });
}

function keyOf(labels: Sample["labels"]): string {
  return JSON.stringify(labels);
}

function functionsOf(rows: Rows): FunctionView[] {
  const calls = rows("function_calls_total").filter(({ labels }) => labels["outcome"] !== "elsewhere");
  const buckets = rows("function_call_duration_seconds_bucket");
  const inFlight = rows("function_calls_in_progress");
  const shed = rows("function_calls_shed_total");
  const versions = rows("function_version_info");
  const names = new Map(inFlight.map(({ labels }) => [labels["function"] ?? "", labels["trigger"] ?? ""]));
  const all = [...names].map(([name, trigger]) => {
    const own = (some: Row[]) => some.filter(({ labels }) => labels["function"] === name);
    return {
      function: name,
      trigger,
      calls: rate(own(calls)),
      errors: rate(own(calls).filter(({ labels }) => isError(labels["outcome"] ?? ""))),
      p50: quantile(0.5, own(buckets)),
      p95: quantile(0.95, own(buckets)),
      in_flight: sum(own(inFlight)),
      shed: rate(own(shed)),
      version: versionsOf(own(versions)),
    };
  });
  return all.toSorted((a, b) => b.calls - a.calls || a.function.localeCompare(b.function));
}

/** Of answers those that are our fault; a client's mistakes are its own. */
function isError(outcome: string): boolean {
  return /^(?:5\d\d|failed|dead)$/.test(outcome);
}

function versionsOf(rows: Row[]): string {
  const named = (state: string) => [
    ...new Set(rows.filter(({ labels }) => labels["state"] === state).map(({ labels }) => labels["version"] ?? "")),
  ];
  return [...named("current"), ...named("canary").map((version) => `canary ${version}`)].join(", ");
}

function queuesOf(rows: Rows): QueueView[] {
  const messages = rows("queue_messages");
  const deliveries = rows("queue_deliveries_total");
  const oldest = rows("queue_oldest_seconds");
  const names = new Set([...messages, ...deliveries].map(({ labels }) => labels["queue"] ?? ""));
  return [...names].map((queue) => {
    const own = (some: Row[]) => some.filter(({ labels }) => labels["queue"] === queue);
    const state = (wanted: string) => own(messages).filter(({ labels }) => labels["state"] === wanted);
    const outcome = (wanted: string) => rate(own(deliveries).filter(({ labels }) => labels["outcome"] === wanted));
    return {
      queue,
      // Every process tells the same.
      ready: most(state("ready")) ?? 0,
      delayed: most(state("delayed")) ?? 0,
      oldest: most(own(oldest)),
      taken: rate(own(deliveries)),
      retries: outcome("retry"),
      dead: outcome("dead"),
    };
  });
}

function providersOf(rows: Rows): ProviderView[] {
  const attempts = rows("provider_attempts_total");
  const buckets = rows("provider_attempt_duration_seconds_bucket");
  return [...new Set(attempts.map(({ labels }) => labels["provider"] ?? ""))].map((provider) => {
    const own = (some: Row[]) => some.filter(({ labels }) => labels["provider"] === provider);
    const result = (...wanted: string[]) =>
      rate(own(attempts).filter(({ labels }) => wanted.includes(labels["result"] ?? "")));
    return {
      provider,
      accepted: result("accepted"),
      throttled: result("throttled"),
      held: result("held"),
      failed: result("failed", "transient"),
      unknown: result("unknown"),
      p95: quantile(0.95, own(buckets)),
    };
  });
}

function processOf(pair: Pair, nowSeconds: number): ProcessView {
  const process = new URL(pair.now.address).host;
  const nothing = { memory: undefined, memory_limit: undefined, heap: undefined, cpu: undefined, loop: undefined };
  if ("away" in pair.now) return { process, state: "away", remark: pair.now.away, ...nothing, uptime: undefined };
  const rows = (name: string) => ratesOf(pair, name);
  const value = (name: string) => most(rows(name));
  const away = rows("service_up").filter((row) => row.value === 0);
  const started = value("process_start_time_seconds");
  const hasBefore = pair.before !== undefined && !("away" in pair.before);
  return {
    process,
    state: value("runtime_ready") === 1 ? "ready" : "not ready",
    remark: away.length > 0 ? `without ${away.map(({ labels }) => labels["service"]).join(", ")}` : "",
    memory: value("process_resident_memory_bytes"),
    memory_limit: value("process_memory_limit_bytes"),
    heap: value("nodejs_heap_size_used_bytes"),
    cpu: hasBefore ? rate(rows("process_cpu_seconds_total")) : undefined,
    loop: value("nodejs_eventloop_lag_p99_seconds"),
    uptime: started === undefined ? undefined : Math.max(0, nowSeconds - started),
  };
}

function sum(rows: readonly Row[]): number {
  return rows.reduce((total, { value }) => total + value, 0);
}

function rate(rows: readonly Row[]): number {
  return rows.reduce((total, row) => total + row.rate, 0);
}

function most(rows: readonly Row[]): number | undefined {
  return rows.length === 0 ? undefined : Math.max(...rows.map(({ value }) => value));
}

/**
 * The duration that a share of the calls in between stayed below, as Prometheus reckons it: evenly within a bucket.
 * Undefined without a call.
 */
export function quantile(share: number, buckets: readonly Row[]): number | undefined {
  const byBound = new Map<number, number>();
  for (const { labels, rate } of buckets) {
    const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
    byBound.set(bound, (byBound.get(bound) ?? 0) + rate);
  }
  const sorted = [...byBound].toSorted(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  let below = { bound: 0, count: 0 };
  for (const [bound, count] of sorted) {
    if (count >= share * total) {
      if (bound === Infinity) return below.bound;
      const within = (share * total - below.count) / Math.max(count - below.count, Number.MIN_VALUE);
      return below.bound + (bound - below.bound) * within;
    }
    below = { bound, count };
  }
  return below.bound;
}
