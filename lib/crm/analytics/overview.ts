/** The figures at a glance, against the period just before. */
import type { Context } from "../../../runtime/context.ts";
import { ratesOf, sumCampaigns, type CampaignCounts } from "./campaigns.ts";
import { readDays } from "./days.ts";
import { periodBefore, type Period } from "./period.ts";
import { change } from "./rates.ts";

export interface Figures {
  messages: number;
  open_rate: number;
  click_rate: number;
  conversion_rate: number;
}

export interface Overview {
  now: Figures;
  before: Figures;
  /** In percent; null where there was nothing to compare with. */
  changes: { [Name in keyof Figures]: number | null };
}

export async function readOverview(ctx: Pick<Context, "db">, period: Period): Promise<Overview> {
  const earlier = periodBefore(period);
  const [days, campaigns, campaignsBefore] = await Promise.all([
    readDays(ctx, { start: earlier.start, end: period.end }),
    sumCampaigns(ctx, period),
    sumCampaigns(ctx, earlier),
  ]);
  const now = figures(days.slice(earlier.days), campaigns);
  const before = figures(days.slice(0, earlier.days), campaignsBefore);
  // Without campaigns there was no rate, which is something else than a rate of 0.
  const rateChange = (name: "open_rate" | "click_rate" | "conversion_rate") =>
    campaigns.sent > 0 ? change(now[name], before[name]) : null;
  return {
    now,
    before,
    changes: {
      messages: change(now.messages, before.messages),
      open_rate: rateChange("open_rate"),
      click_rate: rateChange("click_rate"),
      conversion_rate: rateChange("conversion_rate"),
    },
  };
}

function figures(days: readonly { sent: number }[], campaigns: CampaignCounts): Figures {
  return { messages: days.reduce((sum, { sent }) => sum + sent, 0), ...ratesOf(campaigns) };
}
