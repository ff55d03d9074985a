/** What is in a report. */
import type { Context } from "../../../../runtime/context.ts";
import type { Cell, Report, Row, Section } from "../../reports/report.ts";
import { countResults, listResults, ratesOf, type CampaignResult } from "../campaigns.ts";
import { readDays } from "../days.ts";
import { readOverview, type Figures } from "../overview.ts";
import { hotelDay, type Period } from "../period.ts";
import { shareOfTagsWithin } from "../tags.ts";
import type { ReportType } from "./export.ts";

/** A section, and about how many rows it has. */
interface Part {
  section: Section;
  rows: number;
}

type Source = Pick<Context, "db" | "signal">;

export const titles: Record<ReportType, string> = {
  campaign_performance: "活動成效報表",
  overview: "總覽報表",
  tag_distribution: "標籤分布報表",
  trends: "趨勢報表",
};

/** Reads what is small at once, and campaigns as their rows are asked for. */
export async function contentOf(
  ctx: Source,
  type: ReportType,
  period: Period,
): Promise<{ report: Report; rows: number }> {
  const parts = await Promise.all(partsOf(ctx, type, period));
  const report = {
    title: titles[type],
    period: `${period.start} 至 ${period.end}`,
    sections: parts.map(({ section }) => section),
  };
  return { report, rows: parts.reduce((sum, { rows }) => sum + rows, 0) };
}

function partsOf(ctx: Source, type: ReportType, period: Period): (Part | Promise<Part>)[] {
  if (type === "campaign_performance") return [campaigns(ctx, period)];
  if (type === "tag_distribution") return [tags(ctx, period)];
  if (type === "trends") return [trends(ctx, period)];
  return [figures(ctx, period), trends(ctx, period), campaigns(ctx, period), tags(ctx, period)];
}

async function figures(ctx: Source, period: Period): Promise<Part> {
  const { now, before, changes } = await readOverview(ctx, period);
  const cells = ({ messages, open_rate, click_rate, conversion_rate }: Figures): Cell[] => [
    messages,
    open_rate,
    click_rate,
    conversion_rate,
  ];
  const rows: Row[] = [
    ["本期", ...cells(now)],
    ["前期（同天數）", ...cells(before)],
    ["變化", ...Object.values(changes).map(signed)],
  ];
  const section: Section = {
    heading: "重點指標",
    columns: [
      { title: "期間", kind: "text" },
      { title: "發送訊息數", kind: "integer" },
      { title: "平均開啟率", kind: "percent" },
      { title: "平均點擊率", kind: "percent" },
      { title: "轉換率", kind: "percent" },
    ],
    rows,
  };
  return { section, rows: rows.length };
}

function signed(change: number | null): Cell {
  return change === null ? null : `${change > 0 ? "+" : ""}${change.toFixed(1)}%`;
}

async function trends(ctx: Source, period: Period): Promise<Part> {
  const days = await readDays(ctx, period);
  const section: Section = {
    heading: "每日趨勢",
    columns: [
      { title: "日期", kind: "date" },
      { title: "發送數", kind: "integer" },
      { title: "開啟數", kind: "integer" },
      { title: "點擊數", kind: "integer" },
      { title: "轉換數", kind: "integer" },
    ],
    rows: days.map(({ day, sent, opened, clicked, converted }): Row => [day, sent, opened, clicked, converted]),
    chart: { kind: "line", title: "每日發送、開啟、點擊與轉換", labels: 0, values: [1, 2, 3, 4] },
  };
  return { section, rows: days.length };
}

async function campaigns(ctx: Source, period: Period): Promise<Part> {
  const section: Section = {
    heading: "活動成效",
    columns: [
      { title: "活動名稱", kind: "text" },
      { title: "發送日", kind: "date" },
      { title: "發送數", kind: "integer" },
      { title: "開啟數", kind: "integer" },
      { title: "點擊數", kind: "integer" },
      { title: "轉換數", kind: "integer" },
      { title: "開啟率", kind: "percent" },
      { title: "點擊率", kind: "percent" },
      { title: "轉換率", kind: "percent" },
    ],
    rows: campaignRows(ctx, period),
    chart: { kind: "bar", title: "各活動的開啟率、點擊率與轉換率", labels: 0, values: [6, 7, 8] },
  };
  return { section, rows: await countResults(ctx, period) };
}

const atOnce = 1000;

async function* campaignRows(ctx: Source, period: Period): AsyncGenerator<Row> {
  let last: CampaignResult | undefined;
  do {
    const found = await listResults(ctx, period, atOnce, last);
    yield* found.map(campaignRow);
    last = found.length === atOnce ? found.at(-1) : undefined;
  } while (last && !ctx.signal.aborted);
}

function campaignRow(result: CampaignResult): Row {
  const { title, sent_at, sent, opened, clicked, converted } = result;
  const rates = ratesOf(result);
  const counts = [sent, opened, clicked, converted];
  return [title, hotelDay(sent_at), ...counts, rates.open_rate, rates.click_rate, rates.conversion_rate];
}

async function tags(ctx: Source, period: Period): Promise<Part> {
  const shares = await shareOfTagsWithin(ctx, period);
  const section: Section = {
    heading: "標籤分布",
    columns: [
      { title: "標籤", kind: "text" },
      { title: "觸發次數", kind: "integer" },
      { title: "佔比", kind: "percent" },
    ],
    rows: shares.map(({ tag_name, trigger_count, percentage }): Row => [tag_name, trigger_count, percentage]),
    chart: { kind: "bar", title: "觸發最多的標籤", labels: 0, values: [1] },
  };
  return { section, rows: shares.length };
}
