/** How a campaign is taken and shown. */
import { Type, type Static } from "typebox";
import type { Context } from "#runtime";
import { campaignStatuses, trackings } from "#lib/crm/campaigns/campaign.ts";
import type { CampaignDetail, CampaignLine } from "#lib/crm/campaigns/store.ts";
import { readTemplate } from "#lib/crm/templates/store.ts";
import { PlainText } from "#lib/plain-text.ts";
import { Id, OrNull, Time } from "../_api.ts";
import { TemplateInfo, templateInfo, TemplateLine } from "../_template.ts";

export const CampaignStatus = Type.Enum([...campaignStatuses]);

const Tags = (description: string) => Type.Optional(Type.Array(Id, { maxItems: 1000, description }));
const AudienceInput = Type.Object(
  {
    type: Type.Enum(["all", "tags"]),
    include_tags: Tags("Any of them, or all with tags_mode"),
    exclude_tags: Tags("Whoever has one of them gets nothing"),
    tags_mode: Type.Optional(Type.Enum(["any", "all"])),
  },
  { description: "Of those whom LINE reaches and who accept marketing" },
);
const Days = Type.Integer({ minimum: 0, maximum: 36_500 });
const Trigger = Type.Object({
  type: Type.Literal("friend_days"),
  days_range: Type.Tuple([Days, Days], { description: "Days since the member followed: from, to, both included" }),
});

export const requiredSettings = {
  title: PlainText({ maxLength: 100 }),
  template_id: Id,
  target_audience: AudienceInput,
};

export const optionalSettings = {
  trigger_condition: Type.Optional(OrNull(Trigger)),
  scheduled_at: Type.Optional(
    OrNull(Time, { description: "One ahead makes it scheduled; none, or one that has passed, a draft" }),
  ),
  tracking: Type.Optional(
    Type.Enum([...trackings], {
      description:
        "member: a push for each, with links of his own, so that it is known who clicked; aggregate: 500 at once, only postbacks tell",
    }),
  ),
};

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
  const { sent_template: sent, ...shown } = campaign;
  const template = sent
    ? { ...sent, created_at: new Date(sent.created_at) }
    : await readTemplate(ctx.db, campaign.template_id);
  return {
    ...shown,
    ...figures(campaign),
    template: templateInfo(template),
    finished_at: time(campaign.finished_at),
    paused_at: time(campaign.paused_at),
  };
}

function figures(line: Omit<CampaignLine, "template">) {
  return {
    open_rate: percent(line.opened_count, line.sent_count),
    click_rate: percent(line.clicked_count, line.sent_count),
    scheduled_at: time(line.scheduled_at),
    sent_at: time(line.sent_at),
    created_at: line.created_at.toISOString(),
  };
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((1000 * part) / whole) / 10;
}

const time = (at: Date | null) => at?.toISOString() ?? null;

export const Standing = Type.Object({ campaign_id: Id, status: CampaignStatus, sent_count: Count });
