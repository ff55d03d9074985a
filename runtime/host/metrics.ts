/** Metrics per function, kept as plain counters on the hot path and turned into Prometheus series when scraped. */
import { Registry, collectDefaultMetrics, type Metric } from "prom-client";

/** Upper bounds in seconds: from a cached read to a slow provider. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const bucketsMs = buckets.map((seconds) => seconds * 1000);

/** Counters of one function. */
export class CallStats {
  readonly function: string;
  readonly trigger: string;
  /** Calls by outcome: an HTTP status, or `done`, `retry`, `requeue`, `dead`, `failed`. */
  readonly outcomes = new Map<string | number, number>();
  readonly counts = new Float64Array(buckets.length + 1);
  sumMs = 0;
  shed = 0;
  /** Read at scrape time. */
  inflight: () => number = () => 0;
  /** Of a function whose calls wait at a gate. */
  gate: () => { readonly limit: number; readonly waiting: number } | undefined = () => undefined;

  constructor(name: string, trigger: string) {
    this.function = name;
    this.trigger = trigger;
  }

  observe(outcome: string | number, durationMs: number): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    this.sumMs += durationMs;
    let index = 0;
    while (index < bucketsMs.length && durationMs > (bucketsMs[index] ?? 0)) index++;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }
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
    this.#register("function_calls_total", "counter", "Calls by outcome", (stats) =>
      [...stats.outcomes].map(([outcome, value]) => ({ labels: { outcome }, value })),
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
      this.#stats.set(name, stats);
    }
    return stats;
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
