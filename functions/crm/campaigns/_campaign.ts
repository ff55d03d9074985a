/** How a campaign is shown. */
import { Type, type Static } from "typebox";
import type { Context } from "#runtime";
import { rate } from "#lib/crm/analytics/rates.ts";
import { campaignStatuses, trackings } from "#lib/crm/campaigns/campaign.ts";
import { templateOf, type CampaignDetail, type CampaignLine } from "#lib/crm/campaigns/store.ts";
import { Id, OrNull, Time } from "../_api.ts";
import { TemplateInfo, templateInfo, TemplateLine } from "../_template.ts";
import { AudienceInput, Trigger } from "./_settings.ts";

export const CampaignStatus = Type.Enum([...campaignStatuses]);

const Count = Type.Integer({ minimum: 0 });
const Rate = Type.Number({ description: "Percent of sent_count, one decimal" });

const common = {
  id: Id,
  title: Type.String(),
  status: CampaignStatus,
  sent_count: Count,
  opened_count: Count,
  clicked_count: Count,
  open_rate: Rate,
  click_rate: Rate,
  scheduled_at: OrNull(Time),
  sent_at: OrNull(Time),
  created_at: Time,
};

export const CampaignItem = Type.Object({ ...common, template: Type.Omit(TemplateLine, ["created_at"]) });

export const CampaignInfo = Type.Object({
  ...common,
  template_id: Id,
  template: TemplateInfo,
  target_audience: AudienceInput,
  trigger_condition: OrNull(Trigger),
  tracking: Type.Enum([...trackings]),
  audience_count: Count,
  failed_count: Count,
  paused_at: OrNull(Time),
  finished_at: OrNull(Time),
  error_message: OrNull(Type.String(), { description: "Why it failed" }),
  line_insight: OrNull(Type.Record(Type.String(), Type.Unknown()), { description: "LINE's own figures" }),
  created_by: OrNull(Type.Object({ id: Id, username: Type.String(), full_name: OrNull(Type.String()) })),
});

export function campaignItem(line: CampaignLine): Static<typeof CampaignItem> {
  return { ...line, ...figures(line) };
}

/** With its template: that of the time when it was sent, else as it is now. */
export async function campaignInfo(ctx: Context, campaign: CampaignDetail): Promise<Static<typeof CampaignInfo>> {
  const { sent_template: _, ...shown } = campaign;
  return {
    ...shown,
    ...figures(campaign),
    template: templateInfo(await templateOf(ctx, campaign)),
    finished_at: time(campaign.finished_at),
    paused_at: time(campaign.paused_at),
  };
}

function figures(line: Omit<CampaignLine, "template">) {
  return {
    open_rate: rate(line.opened_count, line.sent_count),
    click_rate: rate(line.clicked_count, line.sent_count),
    scheduled_at: time(line.scheduled_at),
    sent_at: time(line.sent_at),
    created_at: line.created_at.toISOString(),
  };
}

const time = (at: Date | null) => at?.toISOString() ?? null;

export const Standing = Type.Object({ campaign_id: Id, status: CampaignStatus, sent_count: Count });
