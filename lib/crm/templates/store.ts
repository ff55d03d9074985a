/** Keeping templates. */
import type { Context } from "../../../runtime/context.ts";
import type { Detail } from "../../../runtime/problem.ts";
import type { Queryable } from "../../resources/database.ts";
import { only } from "../only.ts";
import type { Found, Page } from "../paging.ts";
import { inUse, invalid, templateNotFound } from "../problems.ts";
import { templateFaults } from "./limits.ts";
import * as sql from "./store.sql.ts";
import type { StoredTemplate, TemplateLine, TemplateUse } from "./store.sql.ts";
import type { TemplateButton, TemplateType } from "./template.ts";

export type { StoredTemplate } from "./store.sql.ts";

export interface ItemInput {
  image_url: string;
  title?: string | null;
  description?: string | null;
  price?: number | null;
  action_url?: string | null;
  interaction_tag_id?: number | null;
  /** Default: its place in the list, from 1. */
  sort_order?: number;
}

export interface TemplateInput {
  type: TemplateType;
  name?: string | null;
  content?: string | null;
  buttons?: TemplateButton[] | null;
  notification_text?: string | null;
  preview_text?: string | null;
  interaction_tag_id?: number | null;
  interaction_result?: Record<string, unknown> | null;
  carousel_items?: ItemInput[];
}

type Store = Pick<Context, "db">;

/** Newest first. */
export async function listTemplates(
  { db }: Store,
  type: TemplateType | undefined,
  { pageSize, offset }: Page,
): Promise<Found<TemplateLine>> {
  const [page, count] = await Promise.all([
    db.query<TemplateLine>(sql.selectTemplates, [type ?? null, pageSize, offset]),
    db.query<{ total: number }>(sql.countTemplates, [type ?? null]),
  ]);
  return { items: page.rows, total: count.rows[0]?.total ?? 0 };
}

/** Throws `template_not_found`. */
export async function readTemplate(db: Queryable, id: number): Promise<StoredTemplate> {
  const { rows } = await db.query<StoredTemplate>(sql.selectTemplate, [id]);
  if (!rows[0]) throw templateNotFound();
  return rows[0];
}

/** Throws `invalid_request`, by field, for what LINE would not take and for tags that are none. */
export async function createTemplate({ db }: Store, input: TemplateInput): Promise<StoredTemplate> {
  const template = { ...settingsOf(input), type: input.type, carousel_items: inOrder(input.carousel_items) };
  return await db.transaction(async (tx) => {
    await check(tx, template);
    const { rows } = await tx.query<{ id: number }>(sql.insertTemplate, [JSON.stringify(template)]);
    const id = rows[0]?.id ?? 0;
    await tx.query(sql.insertItems, [id, JSON.stringify(template.carousel_items)]);
    return await readTemplate(tx, id);
  });
}

/**
 * Changes what is given, and nothing else; cards are given all at once. What is being sent keeps the template that it
 * began with. Throws `template_not_found`, `invalid_request`.
 */
export async function updateTemplate(
  { db }: Store,
  id: number,
  given: Partial<TemplateInput>,
): Promise<StoredTemplate> {
  return await db.transaction(async (tx) => {
    await tx.query(sql.lockTemplate, [id]);
    const kept = await readTemplate(tx, id);
    const { carousel_items: cards } = given;
    const template = { ...kept, ...settingsOf(given), carousel_items: cards ? inOrder(cards) : kept.carousel_items };
    await check(tx, template);
    await tx.query(sql.updateTemplate, [JSON.stringify(template), id]);
    if (cards) {
      await tx.query(sql.deleteItems, [id]);
      await tx.query(sql.insertItems, [id, JSON.stringify(template.carousel_items)]);
    }
    return await readTemplate(tx, id);
  });
}

/** Throws `template_not_found`, or `in_use` with what uses it. */
export async function deleteTemplate({ db }: Store, id: number): Promise<void> {
  await db.transaction(async (tx) => {
    // Nobody begins to use it from here on.
    const { rowCount } = await tx.query(sql.lockTemplate, [id]);
    if (!rowCount) throw templateNotFound();
    const { rows } = await tx.query<TemplateUse>(sql.selectUses, [id]);
    if (rows.length > 0) {
      const details = rows.map(({ kind, id: by, name }) => ({ field: kind, message: `${by}: ${name}` }));
      throw inUse({ message: "The template is used by campaigns or auto responses", details });
    }
    await tx.query(sql.deleteTemplate, [id]);
  });
}

const texts = ["type", "name", "content", "notification_text", "preview_text"] as const;
const buttonFields = ["label", "action_url", "interaction_tag_id"] as const;
const cardFields = ["image_url", "title", "description", "price", "action_url", "interaction_tag_id"] as const;

/** All but the cards. */
function settingsOf(given: Partial<TemplateInput>) {
  const { buttons } = given;
  return {
    ...only(given, [...texts, "interaction_tag_id", "interaction_result"]),
    ...(buttons !== undefined && { buttons: buttons && buttons.map((button) => only(button, buttonFields)) }),
  };
}

/** As they are shown: LINE has no order but that of the list. */
function inOrder(cards: readonly ItemInput[] = []): (ItemInput & { sort_order: number })[] {
  return cards
    .map((card, index) => ({ ...only(card, cardFields), sort_order: card.sort_order ?? index + 1 }))
    .toSorted((a, b) => a.sort_order - b.sort_order);
}

async function check(db: Queryable, template: TemplateInput): Promise<void> {
  const faults = templateFaults(template);
  if (faults.length > 0) throw invalid(...faults);
  const tags = namedTags(template);
  const { rows } = await db.query<{ id: number }>(sql.lockTags, [tags.map(({ id }) => id)]);
  const known = new Set(rows.map(({ id }) => id));
  const unknown = tags.filter(({ id }) => !known.has(id));
  if (unknown.length > 0) throw invalid(...unknown.map(({ detail }) => detail));
}

function namedTags({ interaction_tag_id: own, buttons, carousel_items: cards }: TemplateInput) {
  const place = (field: string, id: number | null | undefined): { id: number; detail: Detail }[] =>
    id == null ? [] : [{ id, detail: { field, message: "names no interaction tag" } }];
  return [
    ...place("interaction_tag_id", own),
    ...(buttons ?? []).flatMap((button, i) => place(`buttons[${i}].interaction_tag_id`, button.interaction_tag_id)),
    ...(cards ?? []).flatMap((card, i) => place(`carousel_items[${i}].interaction_tag_id`, card.interaction_tag_id)),
  ];
}
