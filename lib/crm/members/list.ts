/** The list of members. */
import type { Context } from "../../../runtime/context.ts";
import { refuseDeep, type Found, type Page } from "../paging.ts";
import { countMembers, gatherPage, walkPage } from "./list.sql.ts";
import type { ListedRow, Place, Selection, Sorting, Statement } from "./list.sql.ts";
import { wordsOf } from "./search.ts";

export { sortings, type ListedRow } from "./list.sql.ts";

export interface MemberFilter {
  /** In names in either order, e-mail addresses and phones. */
  search?: string | undefined;
  tags?: readonly number[] | undefined;
  /** Default: any. */
  tagsMode?: "any" | "all" | undefined;
  source?: "line" | "crm" | "system" | undefined;
}

type Listing = Pick<Context, "db" | "recentCounts">;

/** How far an order is walked for a page, before those in question are gathered after all: about 50 ms. */
const mostWalked = 20_000;

/**
 * A page of the members that fit. The total is exact, but for one over 10,000 that a search or several tags make: that
 * may be some seconds old. Throws `invalid_request` for a page too deep.
 */
export async function listMembers(
  ctx: Listing,
  filter: MemberFilter,
  { sortBy, order, ...page }: Page & { sortBy: Sorting; order: "asc" | "desc" },
): Promise<Found<ListedRow>> {
  refuseDeep(page, "narrow the list, or turn its order round");
  const allTags = filter.tagsMode === "all";
  const tags = await knownTags(ctx, filter.tags ?? [], allTags);
  if (tags === undefined) return { items: [], total: 0 };
  const ids = tags.map(({ id }) => id);
  const selection = { source: filter.source, tags: ids, allTags, words: wordsOf(filter.search ?? "") };
  const isTagAlone = tags.length === 1 && selection.words.length === 0 && filter.source === undefined;
  const total = isTagAlone ? (tags[0]?.n ?? 0) : await totalOf(ctx, selection);
  const limit = Math.min(page.pageSize, total - page.offset);
  if (limit <= 0) return { items: [], total };
  return { items: await pageOf(ctx, selection, { sortBy, order, limit, offset: page.offset }, total), total };
}

/** The tags that members have, in the order that a selection wants them; undefined: nobody can have what is asked for. */
async function knownTags(
  { db }: Listing,
  asked: readonly number[],
  all: boolean,
): Promise<{ id: number; n: number }[] | undefined> {
  if (asked.length === 0) return [];
  const wanted = [...new Set(asked)];
  const { rows } = await db.query<{ id: number; n: number }>(
    `SELECT id::float8 AS id, member_count AS n FROM tags WHERE id = ANY($1) AND member_count > 0
     ORDER BY member_count ${all ? "" : "DESC"}, id`,
    [wanted],
  );
  return rows.length === 0 || (all && rows.length < wanted.length) ? undefined : rows;
}

async function pageOf({ db }: Listing, selection: Selection, place: Place, total: number): Promise<ListedRow[]> {
  const rows = async ({ text, values }: Statement) => (await db.query<ListedRow>(text, values)).rows;
  const { tags, words } = selection;
  const last = place.offset + place.limit;
  if (tags.length === 0 && words.length === 0) return await rows(walkPage(selection, place, last));
  // Walking asks about `all / total` members for each that it shows; gathering reads all `total`.
  const all = await kept({ db }, {});
  if (total * total > last * all) {
    const walked = await rows(walkPage(selection, place, mostWalked));
    if (walked.length === place.limit) return walked;
  }
  return await rows(gatherPage(selection, place));
}

async function totalOf(ctx: Listing, selection: Selection): Promise<number> {
  const { source, tags, words } = selection;
  if (words.length === 0 && tags.length === 0) return await kept(ctx, { source });
  const { text, values } = countMembers(selection);
  return await ctx.recentCounts.of(`members ${JSON.stringify(values)} ${selection.allTags}`, async () => {
    return (await ctx.db.query<{ n: number }>(text, values)).rows[0]?.n ?? 0;
  });
}

/** From the counts that the database keeps. */
async function kept({ db }: Pick<Context, "db">, { source }: { source?: string | undefined }): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    "SELECT coalesce(sum(n), 0)::float8 AS n FROM member_counts WHERE $1::text IS NULL OR source = $1",
    [source ?? null],
  );
  return rows[0]?.n ?? 0;
}
