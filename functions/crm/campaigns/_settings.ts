/** What is said of a campaign that is made or changed. */
import { Type } from "typebox";
import { trackings } from "#lib/crm/campaigns/campaign.ts";
import { PlainText } from "#lib/plain-text.ts";
import { Id, OrNull, Time } from "../_api.ts";

const Tags = (description: string) => Type.Optional(Type.Array(Id, { maxItems: 1000, description }));
export const AudienceInput = Type.Object(
  {
    type: Type.Enum(["all", "tags"]),
    include_tags: Tags("Any of them, or all with tags_mode"),
    exclude_tags: Tags("Whoever has one of them gets nothing"),
    tags_mode: Type.Optional(Type.Enum(["any", "all"])),
  },
  { description: "Of those whom LINE reaches and who accept marketing" },
);
const Days = Type.Integer({ minimum: 0, maximum: 36_500 });
export const Trigger = Type.Object({
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
