/** Administering tags. Their counts are the database's. */
import {
  ForeignKeyConstraintViolationException,
  LockMode,
  UniqueConstraintViolationException,
  type InferEntity,
} from "@mikro-orm/core";
import type { Context } from "../../../runtime/context.ts";
import { Tag } from "../../resources/crm-entities.ts";
import type { Found, Page } from "../paging.ts";
import { campaignNotFound, inUse, tagNotFound, taken } from "../problems.ts";
import { usesOfTag, type TagUse } from "./usage.ts";

export type TagRow = InferEntity<typeof Tag>;
type TagType = TagRow["type"];

export interface TagSettings {
  name: string;
  type: TagType;
  source: TagRow["source"];
  description: string | null;
  /** Of an interaction tag: the campaign that it tells of. */
  campaign_id: number | null;
}

type Administration = Pick<Context, "entities" | "db" | "clock">;

/** Returns once it is committed. Throws `already_there` where one of its type has the name, and `campaign_not_found`. */
export async function createTag(
  ctx: Administration,
  settings: Pick<TagSettings, "name" | "type"> & Partial<TagSettings>,
): Promise<TagRow> {
  const { name, type, source = "manual", description = null, campaign_id: campaignId = null } = settings;
  const em = await ctx.entities.fork();
  return await checked(async () => {
    const tag = em.create(Tag, {
      name: name.trim(),
      type,
      source,
      description,
      campaignId,
      createdAt: ctx.clock.now(),
    });
    await em.flush();
    tag.memberCount = 0;
    tag.triggerCount = 0;
    return tag;
  });
}

/** In the order they were made; `search` is a part of the name. */
export async function listTags(
  { entities }: Pick<Context, "entities">,
  { type, search }: { type?: TagType | undefined; search?: string | undefined },
  { pageSize, offset }: Page,
): Promise<Found<TagRow>> {
  const em = await entities.fork();
  const name = search === undefined || search.trim() === "" ? undefined : { $ilike: `%${literal(search.trim())}%` };
  const [items, total] = await em.findAndCount(
    Tag,
    { ...(type !== undefined && { type }), ...(name && { name }) },
    { orderBy: { id: "asc" }, limit: pageSize, offset },
  );
  return { items, total };
}

/** Throws `tag_not_found`. */
export async function readTag({ entities }: Pick<Context, "entities">, id: number): Promise<TagRow> {
  const em = await entities.fork();
  const tag = await em.findOne(Tag, { id });
  if (!tag) throw tagNotFound();
  return tag;
}

/**
 * Changes what is given, and nothing else. Throws `tag_not_found`, `already_there`, `campaign_not_found`, and `in_use`
 * for another type while a template sets it: templates set tags of interactions alone. A campaign chooses by either.
 */
export async function updateTag(ctx: Administration, id: number, given: Partial<TagSettings>): Promise<TagRow> {
  const { name, type, source, description, campaign_id: campaignId } = given;
  const em = await ctx.entities.fork();
  const change = em.transactional(async (tx) => {
    const tag = await tx.findOne(Tag, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!tag) throw tagNotFound();
    if (type !== undefined && type !== tag.type) {
      refuse((await usesOfTag(ctx.db, id)).filter(({ kind }) => kind !== "campaign"));
    }
    tx.assign(tag, {
      ...(name !== undefined && { name: name.trim() }),
      ...(type !== undefined && { type }),
      ...(source !== undefined && { source }),
      ...(description !== undefined && { description }),
      ...(campaignId !== undefined && { campaignId }),
      updatedAt: ctx.clock.now(),
    });
    return tag;
  });
  return await checked(() => change);
}

/** Takes it from all members. Throws `tag_not_found`, and `in_use` where templates or coming campaigns need it. */
export async function deleteTag({ db }: Pick<Context, "db">, id: number): Promise<void> {
  await db.transaction(async (tx) => {
    // No template begins to set it from here on.
    const { rowCount } = await tx.query("SELECT FROM tags WHERE id = $1 FOR UPDATE", [id]);
    if (rowCount === 0) throw tagNotFound();
    refuse(await usesOfTag(tx, id));
    await tx.query("DELETE FROM tags WHERE id = $1", [id]);
  });
}

function refuse(uses: readonly TagUse[]): void {
  if (uses.length === 0) return;
  const details = uses.map(({ kind, id: user, name }) => ({ field: kind, message: `${user} ${name}` }));
  const named = uses.map(({ kind, id: user }) => `${kind} ${user}`).join(", ");
  throw inUse({ message: `This tag is in use by ${named}`, details });
}

export interface TagStatistics {
  total_tags: number;
  member_tags: number;
  interaction_tags: number;
  /** Null while no tag has a member. */
  most_used_tag: { id: number; name: string; member_count: number } | null;
}

export async function tagStatistics({ db }: Pick<Context, "db">): Promise<TagStatistics> {
  const { rows } = await db.query<TagStatistics>(
    `SELECT count(*)::int AS total_tags, count(*) FILTER (WHERE type = 'member')::int AS member_tags,
            count(*) FILTER (WHERE type = 'interaction')::int AS interaction_tags,
            (SELECT json_build_object('id', id, 'name', name, 'member_count', member_count) FROM tags
             WHERE member_count > 0 ORDER BY member_count DESC, id LIMIT 1) AS most_used_tag
     FROM tags`,
  );
  return rows[0] ?? { total_tags: 0, member_tags: 0, interaction_tags: 0, most_used_tag: null };
}

/** For a LIKE pattern. */
const literal = (text: string) => text.replace(/[\\%_]/g, (character) => `\\${character}`);

async function checked<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof ForeignKeyConstraintViolationException) throw campaignNotFound({ cause: error });
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw taken("name", "is another tag's");
  }
}
