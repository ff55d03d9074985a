/** The words that campaigns share. */
import type { QueueDeclaration } from "../../../runtime/broker.ts";
import { campaignStatuses, trackings, type TargetAudience, type TriggerCondition } from "../values.ts";

export type CampaignStatus = (typeof campaignStatuses)[number];
export type Tracking = (typeof trackings)[number];
export { campaignStatuses, trackings, type TargetAudience, type TriggerCondition };

export const recipientStatuses = ["pending", "sent", "opened", "clicked", "failed"] as const;
export type RecipientStatus = (typeof recipientStatuses)[number];

/** LINE's most for a multicast. https://developers.line.biz/en/reference/messaging-api/#send-multicast-message */
export const batchSize = 500;

/** Milliseconds before the second, third and fourth request, where LINE names no time. */
export const ladderMs = [1000, 4000, 16_000];

/** How long a worker has a batch before others may take it; whoever works on it renews that. */
export const leaseSeconds = 15;
/** After this long a batch is published again, in case its message never reached the broker. */
export const publishGraceSeconds = 30;
/** How long LINE knows a retry key. https://developers.line.biz/en/docs/messaging-api/retrying-api-request/ */
export const retryKeyHours = 24;

/** The message of an attempt at a batch: the database knows the rest. */
export interface BatchJob {
  campaign_id: number;
  batch: number;
}

/** As everyone who publishes to it or consumes from it declares it. The ledger brings back what is lost on the way. */
export const batchQueue: QueueDeclaration = { name: "campaign-batches", retryDelaysMs: [] };

/** What LINE counts a campaign's messages under, for its insight: at most 30 letters, digits and underscores. */
export const unitOf = (campaignId: number) => `campaign_${campaignId}`;
