/** Metrics per function, kept as plain counters on the hot path and turned into Prometheus series when scraped. */
import { totalmem } from "node:os";
import { Gauge, Registry, collectDefaultMetrics, type Metric } from "prom-client";
import { heapLimit } from "../heap.ts";

/** Upper bounds in seconds: from a cached read to a slow provider. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const bucketsMs = buckets.map((seconds) => seconds * 1000);

/** How many versions of a function are counted apart. What another one still ends counts for the function alone. */
const versionsCounted = 5;
/** How many codes of errors are told apart: they are words of the code, but a function may make them up. */
const codesCounted = 50;

/** Outcomes that somebody is to be told of at their first time. */
const foreseen: Readonly<Record<string, readonly (string | number)[]>> = {
  http: [500],
  queue: ["done", "retry", "dead"],
  schedule: ["done", "failed"],
};

type Outcomes = Map<string | number, number>;

interface Running {
  readonly loaded: { readonly hash: string };
}

/** The versions of a function, as a slot has them. */
export interface RunningVersions {
  readonly current: Running;
  /** One that gets a share of the calls, until it is known to be good. */
  readonly trial?: Running | undefined;
  /** Those that finish what they began. */
  readonly retired: Iterable<Running>;
}

/** Counters of one function. */
export class CallStats {
  readonly function: string;
  readonly trigger: string;
  /** Calls by outcome: an HTTP status, or `done`, `retry`, `requeue`, `dead`, `failed`. */
  readonly outcomes: Outcomes = new Map();
  /** The same of each version, by its hash. */
  readonly versions = new Map<string, Outcomes>();
  /** Problems and faults by their code. */
  readonly errors = new Map<string, number>();
  readonly counts = new Float64Array(buckets.length + 1);
  sumMs = 0;
  shed = 0;
  /** Read at scrape time. */
  inflight: () => number = () => 0;
  /** Of a function whose calls wait at a gate. */
  gate: () => { readonly limit: number; readonly waiting: number } | undefined = () => undefined;
  /** While it is mounted. */
  running: RunningVersions | undefined;
  /** Of a function that consumes one. */
  queue: string | undefined;

  constructor(name: string, trigger: string) {
    this.function = name;
    this.trigger = trigger;
  }

  /** Counts a call that has ended; `version` is the hash of the one that it ran on. */
  observe(outcome: string | number, durationMs: number, version?: string): void {
    count(this.outcomes, outcome);
    if (version !== undefined) count(this.versions.get(version) ?? this.#begin(version), outcome);
    this.sumMs += durationMs;
    let index = 0;
    while (index < bucketsMs.length && durationMs > (bucketsMs[index] ?? 0)) index++;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }

  /** Counts what went wrong in a call. */
  failed(code: string): void {
    count(this.errors, this.errors.has(code) || this.errors.size < codesCounted ? code : "other");
  }

  /** The versions that are running, each with what it is there for. */
  states(): { version: string; state: "current" | "canary" | "draining" }[] {
    if (!this.running) return [];
    const { current, trial, retired } = this.running;
    const drained = [...retired].map(({ loaded }) => ({ version: loaded.hash, state: "draining" as const }));
    return [
      { version: current.loaded.hash, state: "current" },
      ...(trial ? [{ version: trial.loaded.hash, state: "canary" as const }] : []),
      ...drained.filter(({ version }, index) => drained.findIndex((other) => other.version === version) === index),
    ];
  }

  /** Makes room for a version by forgetting the oldest that is not running. */
  #begin(version: string): Outcomes {
    const outcomes: Outcomes = new Map();
    this.versions.set(version, outcomes);
    if (this.versions.size <= versionsCounted) return outcomes;
    const running = new Set(this.states().map((one) => one.version)).add(version);
    for (const old of this.versions.keys()) {
      if (running.has(old)) continue;
      this.versions.delete(old);
      return outcomes;
    }
    this.versions.delete(version);
    return outcomes;
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

interface Sample {
  labels: Record<string, string | number>;
  value: number;
  metricName?: string;
}

/** The registry behind `/metrics`. Resources may register their own metrics in `registry`. */
export class Metrics {
  readonly registry = new Registry();
  readonly #stats = new Map<string, CallStats>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    // What a container may take, where somebody has set that.
    this.gauge("process_memory_limit_bytes", "Most memory that this process may take", () => memoryLimit());
    this.gauge("nodejs_heap_size_limit_bytes", "Most memory that V8's heap may take", () => heapLimit);
    this.#register("function_calls_total", "counter", "Calls by outcome", (stats) =>
      [...stats.outcomes].map(([outcome, value]) => ({ labels: { outcome }, value })),
    );
    this.#register("function_errors_total", "counter", "Problems and faults by code", ({ errors }) =>
      [...errors].map(([code, value]) => ({ labels: { code }, value })),
    );
    this.#register("function_version_calls_total", "counter", "Calls of a version by outcome", ({ versions }) =>
      [...versions].flatMap(([version, outcomes]) =>
        [...outcomes].map(([outcome, value]) => ({ labels: { version, outcome }, value })),
      ),
    );
    this.#register("function_version_info", "gauge", "Versions that are running, and what for", (stats) =>
      stats.states().map((labels) => ({ labels, value: 1 })),
    );
    this.#register(
      "queue_deliveries_total",
      "counter",
      "Messages taken from a queue by outcome",
      ({ queue, outcomes }) =>
        queue === undefined ? [] : [...outcomes].map(([outcome, value]) => ({ labels: { queue, outcome }, value })),
    );
    this.#register("function_calls_shed_total", "counter", "Calls refused at the concurrency limit", (stats) => [
      { labels: {}, value: stats.shed },
    ]);
    this.#register("function_calls_in_progress", "gauge", "Calls in progress", (stats) => [
      { labels: {}, value: stats.inflight() },
    ]);
    this.#register("function_calls_limit", "gauge", "Calls that may be in progress at once now", ({ gate }) =>
      gateSample(gate()?.limit),
    );
    this.#register("function_calls_waiting", "gauge", "Calls that wait for their turn in this process", ({ gate }) =>
      gateSample(gate()?.waiting),
    );
    this.#register("function_call_duration_seconds", "histogram", "Duration of calls", histogram);
  }

  /** The counters of a function; they outlive its versions. */
  of(name: string, trigger: string): CallStats {
    let stats = this.#stats.get(name);
    if (!stats) {
      stats = new CallStats(name, trigger);
      // A counter that begins with 1 has not grown, in Prometheus's eyes.
      for (const outcome of foreseen[trigger] ?? []) stats.outcomes.set(outcome, 0);
      this.#stats.set(name, stats);
    }
    return stats;
  }

  /** A number that is read when it is asked for; while it is undefined there is none. */
  gauge(name: string, help: string, read: () => number | undefined): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        const value = read();
        if (value === undefined) gauge.remove();
        else gauge.set(value);
      },
    });
  }

  #register(name: string, type: string, help: string, samples: (stats: CallStats) => Sample[]): void {
    const metric = {
      name,
      help,
      type,
      aggregator: "sum",
      get: () => ({
        name,
        help,
        type,
        aggregator: "sum",
        values: [...this.#stats.values()].flatMap((stats) =>
          samples(stats).map((sample) => ({
            metricName: sample.metricName ?? name,
            value: sample.value,
            labels: { function: stats.function, trigger: stats.trigger, ...sample.labels },
          })),
        ),
      }),
      reset: () => this.#stats.clear(),
    };
    // The registry needs only `name` and `get`; its type asks for one of its own classes.
    this.registry.registerMetric(metric as unknown as Metric);
  }
}

/** Without one, the system tells of as good as endless memory. */
function memoryLimit(): number | undefined {
  const limit = process.constrainedMemory();
  return limit > 0 && limit <= totalmem() ? limit : undefined;
}

function gateSample(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}

function histogram(stats: CallStats): Sample[] {
  const name = "function_call_duration_seconds";
  let total = 0;
  const samples: Sample[] = buckets.map((le, index) => {
    total += stats.counts[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { le }, value: total };
  });
  total += stats.counts[buckets.length] ?? 0;
  samples.push(
    { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: total },
    { metricName: `${name}_sum`, labels: {}, value: stats.sumMs / 1000 },
    { metricName: `${name}_count`, labels: {}, value: total },
  );
  return samples;
}
