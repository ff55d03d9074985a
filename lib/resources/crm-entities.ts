/** What MikroORM knows of the CRM's tables. Lists, searches and delivery go through SQL of their own. */
import { defineEntity, p } from "@mikro-orm/core";
import type {
  autoResponseTriggers,
  campaignStatuses,
  genders,
  memberSources,
  Role,
  tagSources,
  tagTypes,
  TargetAudience,
  TemplateButton,
  templateTypes,
  trackings,
  TriggerCondition,
} from "./crm-values.ts";

const id = () => p.bigint("number").primary().autoincrement();
const reference = (column: string) => p.bigint("number").name(column);
const createdAt = () => p.datetime().name("created_at");
const updatedAt = () => p.datetime().name("updated_at").nullable();

export const User = defineEntity({
  name: "User",
  tableName: "users",
  properties: {
    id: id(),
    username: p.string(),
    email: p.string(),
    passwordHash: p.string().name("password_hash"),
    fullName: p.string().name("full_name").nullable(),
    role: p.string().$type<Role>(),
    isActive: p.boolean().name("is_active"),
    tokenVersion: p.integer().name("token_version"),
    lastLoginAt: p.datetime().name("last_login_at").nullable(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
});

export const Member = defineEntity({
  name: "Member",
  tableName: "members",
  properties: {
    id: id(),
    lineUid: p.string().name("line_uid").nullable(),
    lineDisplayName: p.string().name("line_display_name").nullable(),
    linePictureUrl: p.string().name("line_picture_url").nullable(),
    firstName: p.string().name("first_name").nullable(),
    lastName: p.string().name("last_name").nullable(),
    gender: p.string().$type<(typeof genders)[number]>().nullable(),
    birthday: p.date().nullable(),
    email: p.string().nullable(),
    phone: p.string().nullable(),
    /** Sealed. */
    idNumber: p.text().name("id_number").nullable(),
    idNumberHash: p.string().name("id_number_hash").nullable(),
    externalId: p.string().name("external_id").nullable(),
    source: p.string().$type<(typeof memberSources)[number]>(),
    acceptMarketing: p.boolean().name("accept_marketing"),
    notes: p.text().nullable(),
    friendedAt: p.datetime().name("friended_at").nullable(),
    blockedAt: p.datetime().name("blocked_at").nullable(),
    createdAt: createdAt(),
    lastInteractionAt: p.datetime().name("last_interaction_at").nullable(),
    updatedAt: updatedAt(),
  },
});

export const Tag = defineEntity({
  name: "Tag",
  tableName: "tags",
  properties: {
    id: id(),
    name: p.string(),
    type: p.string().$type<(typeof tagTypes)[number]>(),
    source: p.string().$type<(typeof tagSources)[number]>(),
    campaignId: reference("campaign_id").nullable(),
    description: p.string().nullable(),
    /** Kept by the database. */
    memberCount: p.integer().name("member_count").persist(false),
    triggerCount: p.integer().name("trigger_count").persist(false),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
});

export const MessageTemplate = defineEntity({
  name: "MessageTemplate",
  tableName: "message_templates",
  properties: {
    id: id(),
    type: p.string().$type<(typeof templateTypes)[number]>(),
    name: p.string().nullable(),
    content: p.text().nullable(),
    buttons: p.json<TemplateButton[]>().nullable(),
    notificationText: p.string().name("notification_text").nullable(),
    previewText: p.string().name("preview_text").nullable(),
    interactionTagId: reference("interaction_tag_id").nullable(),
    interactionResult: p.json<Record<string, unknown>>().name("interaction_result").nullable(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
});

export const TemplateCarouselItem = defineEntity({
  name: "TemplateCarouselItem",
  tableName: "template_carousel_items",
  properties: {
    id: id(),
    templateId: reference("template_id"),
    imageUrl: p.string().name("image_url"),
    title: p.string().nullable(),
    description: p.string().nullable(),
    price: p.decimal("number").nullable(),
    actionUrl: p.string().name("action_url").nullable(),
    interactionTagId: reference("interaction_tag_id").nullable(),
    sortOrder: p.integer().name("sort_order"),
    createdAt: createdAt(),
  },
});

export const Campaign = defineEntity({
  name: "Campaign",
  tableName: "campaigns",
  properties: {
    id: id(),
    title: p.string(),
    templateId: reference("template_id"),
    targetAudience: p.json<TargetAudience>().name("target_audience"),
    triggerCondition: p.json<TriggerCondition>().name("trigger_condition").nullable(),
    tracking: p.string().$type<(typeof trackings)[number]>(),
    scheduledAt: p.datetime().name("scheduled_at").nullable(),
    sentAt: p.datetime().name("sent_at").nullable(),
    finishedAt: p.datetime().name("finished_at").nullable(),
    pausedAt: p.datetime().name("paused_at").nullable(),
    status: p.string().$type<(typeof campaignStatuses)[number]>(),
    errorMessage: p.string().name("error_message").nullable(),
    audienceCount: p.integer().name("audience_count"),
    sentCount: p.integer().name("sent_count"),
    failedCount: p.integer().name("failed_count"),
    openedCount: p.integer().name("opened_count"),
    clickedCount: p.integer().name("clicked_count"),
    conversionCount: p.integer().name("conversion_count"),
    lineInsight: p.json<Record<string, unknown>>().name("line_insight").nullable(),
    createdBy: reference("created_by").nullable(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
});

export const AutoResponse = defineEntity({
  name: "AutoResponse",
  tableName: "auto_responses",
  properties: {
    id: id(),
    name: p.string(),
    triggerType: p.string().$type<(typeof autoResponseTriggers)[number]>().name("trigger_type"),
    content: p.text(),
    templateId: reference("template_id").nullable(),
    isActive: p.boolean().name("is_active"),
    /** `HH:MM:SS` in the hotel's zone. */
    triggerTimeStart: p.string().name("trigger_time_start").nullable(),
    triggerTimeEnd: p.string().name("trigger_time_end").nullable(),
    /** Kept by whoever answers. */
    triggerCount: p.integer().name("trigger_count").persist(false),
    successRate: p.decimal("number").name("success_rate").persist(false),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
});

export const AutoResponseKeyword = defineEntity({
  name: "AutoResponseKeyword",
  tableName: "auto_response_keywords",
  properties: {
    id: id(),
    autoResponseId: reference("auto_response_id"),
    keyword: p.string(),
    folded: p.string(),
    matchCount: p.integer().name("match_count").persist(false),
    createdAt: createdAt(),
  },
});

export const ConsumptionRecord = defineEntity({
  name: "ConsumptionRecord",
  tableName: "consumption_records",
  properties: {
    id: id(),
    memberId: reference("member_id"),
    orderNumber: p.string().name("order_number"),
    externalId: p.string().name("external_id").nullable(),
    roomType: p.string().name("room_type").nullable(),
    amount: p.decimal("number"),
    checkInDate: p.date().name("check_in_date").nullable(),
    checkOutDate: p.date().name("check_out_date").nullable(),
    nights: p.integer().nullable(),
    source: p.string().$type<"pms" | "manual">(),
    createdAt: createdAt(),
    syncedAt: p.datetime().name("synced_at").nullable(),
  },
});

// prettier-ignore
export const crmEntities = [
  User, Member, Tag, MessageTemplate, TemplateCarouselItem, Campaign, AutoResponse, AutoResponseKeyword, ConsumptionRecord,
];
