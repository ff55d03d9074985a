/** The words of the CRM's tables, and the shapes of what they hold as JSON. */

export const roles = ["admin", "marketing", "customer_service"] as const;
export type Role = (typeof roles)[number];

export const genders = ["male", "female", "other"] as const;

export const memberSources = ["line", "crm", "system"] as const;

export const tagTypes = ["member", "interaction"] as const;

export const tagSources = ["api", "manual"] as const;

export const templateTypes = ["text", "text_button", "image_click", "image_card"] as const;

export interface TemplateButton {
  label: string;
  action_url?: string | null;
  interaction_tag_id?: number | null;
}

export const campaignStatuses = ["draft", "scheduled", "sending", "sent", "failed", "cancelled"] as const;

export const trackings = ["member", "aggregate"] as const;

export type TargetAudience =
  { type: "all" } | { type: "tags"; include_tags?: number[]; exclude_tags?: number[]; tags_mode?: "any" | "all" };

export interface TriggerCondition {
  type: "friend_days";
  /** Days since the member followed: from, to, both included. */
  days_range: [number, number];
}

export const autoResponseTriggers = ["welcome", "keyword", "time"] as const;
