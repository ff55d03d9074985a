/** The reports that there are: their titles and columns, in Chinese. */
import type { Column, Section } from "./report.ts";

type Rows = Section["rows"];

export const reportTitles = {
  campaign_performance: "活動成效",
  overview: "總覽",
  tag_distribution: "標籤分布",
  trends: "趨勢",
} as const;

export type ReportType = keyof typeof reportTitles;

/** What trends can show, by its name in the API. */
export const metricTitles = { sent: "發送數", opened: "開啟數", clicked: "點擊數", converted: "轉換數" } as const;

export type Metric = keyof typeof metricTitles;

/** The days of a report, each `YYYY-MM-DD`. */
export function periodText(first: string, last: string): string {
  return `${first} 至 ${last}`;
}

const text = (title: string): Column => ({ title, kind: "text" });
const integer = (title: string): Column => ({ title, kind: "integer" });
const percent = (title: string): Column => ({ title, kind: "percent" });
const rates = [percent("開啟率"), percent("點擊率"), percent("轉換率")];

/** Rows: title; sent, opened, clicked, converted; their three rates. */
export function campaignSection(rows: Rows): Section {
  return {
    heading: reportTitles.campaign_performance,
    columns: [text("活動名稱"), ...Object.values(metricTitles).map(integer), ...rates],
    rows,
    chart: { kind: "bar", title: "各活動的開啟率、點擊率與轉換率", labels: 0, values: [5, 6, 7] },
  };
}

/** One row each: messages sent and the three rates; how much each of the four has changed, in percent. */
export function overviewSections(figures: Rows, changes: Rows): Section[] {
  const sent = "發送訊息數";
  return [
    { heading: "關鍵指標", columns: [integer(sent), ...rates], rows: figures },
    { heading: "與前期相比", columns: [percent(sent), ...rates], rows: changes },
  ];
}

/** Rows: name, times that it was triggered, its share of all triggers. */
export function tagSection(rows: Rows): Section {
  return {
    heading: reportTitles.tag_distribution,
    columns: [text("標籤"), integer("觸發次數"), percent("占比")],
    rows,
    chart: { kind: "bar", title: "各標籤占觸發次數的比例", labels: 0, values: [2] },
  };
}

/** Rows: day, then each metric in the order given. */
export function trendSection(metrics: readonly Metric[], rows: Rows): Section {
  const titles = metrics.map((metric) => metricTitles[metric]);
  return {
    heading: reportTitles.trends,
    columns: [{ title: "日期", kind: "date" }, ...titles.map(integer)],
    rows,
    chart: { kind: "line", title: `每日${titles.join("、")}`, labels: 0, values: metrics.map((_, at) => at + 1) },
  };
}
