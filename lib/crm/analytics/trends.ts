/** Figures of each day, for a chart. */
import type { Context } from "../../../runtime/context.ts";
import type { DayCounts } from "./days.ts";
import { readDays } from "./days.ts";
import type { Period } from "./period.ts";

export const metrics = ["sent", "opened", "clicked", "converted"] as const satisfies readonly (keyof DayCounts)[];
export type Metric = (typeof metrics)[number];

export interface Trends {
  dates: string[];
  series: { name: Metric; data: number[] }[];
}

/** A series for each metric that is asked for, in that order; every day has its figure. */
export async function readTrends(
  ctx: Pick<Context, "db">,
  period: Pick<Period, "start" | "end">,
  asked: readonly Metric[],
): Promise<Trends> {
  const days = await readDays(ctx, period);
  const series = [...new Set(asked)].map((name) => ({ name, data: days.map((day) => day[name]) }));
  return { dates: days.map(({ day }) => day), series };
}

/** The metrics in a list with commas, of which no other names are let in. */
export function metricsOf(list: string | undefined): readonly Metric[] {
  if (list === undefined) return metrics;
  const named = new Set(list.split(","));
  const isMetric = (name: string): name is Metric => metrics.some((metric) => metric === name);
  return [...named].filter(isMetric);
}
