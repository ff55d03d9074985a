/**
 * Statements of the list of members. Measured among a million of them; see `ops/bench/crm-read.ts`.
 *
 * A page is found in one of two ways. Few members in question: they are gathered, then sorted. Many: the index that has
 * them in order is walked, and each is asked whether he is one of them. Either alone takes seconds where the other is right.
 */
import type { Word } from "./search.ts";

export const sortings = ["created_at", "last_interaction_at", "last_name", "email"] as const;
export type Sorting = (typeof sortings)[number];

export interface Selection {
  source?: string | undefined;
  /** Ids of tags that are there; asked for all of them the smallest first, asked for any the largest. */
  tags: readonly number[];
  /** Whether all of the tags are asked for; else any of them. */
  allTags: boolean;
  words: readonly Word[];
}

export interface Statement {
  text: string;
  values: unknown[];
}

/** Collects values, and names them in the text. */
function parameters() {
  const values: unknown[] = [];
  return { values, put: (value: unknown) => `$${values.push(value)}` };
}
type Put = ReturnType<typeof parameters>["put"];

/** Each order and its reverse are one index read in either direction. */
const orders: Record<Sorting, Record<"asc" | "desc", string>> = {
  created_at: { desc: "created_at DESC, id DESC", asc: "created_at, id" },
  last_interaction_at: {
    desc: "last_interaction_at DESC NULLS LAST, id DESC",
    asc: "last_interaction_at NULLS FIRST, id",
  },
  last_name: { desc: "last_name DESC, id DESC", asc: "last_name, id" },
  email: { desc: "email DESC, id DESC", asc: "email, id" },
};

export interface Place {
  sortBy: Sorting;
  order: "asc" | "desc";
  limit: number;
  offset: number;
}

/** Ids of those whose search text has all the words, by the index. */
function found(words: readonly Word[], put: Put): string {
  const grams = put([...new Set(words.flatMap((word) => word.grams))]);
  const checks = words.filter((word) => !word.isExact).map(({ needle }) => ` AND strpos(text, ${put(needle)}) > 0`);
  return `SELECT member_id FROM member_search WHERE search_grams(text) @> ${grams}${checks.join("")}`;
}

const relations = (tag: string) => `SELECT member_id FROM member_tag_relations WHERE tag_id = ${tag}`;

/** Ids of those with the tags. */
function tagged({ tags, allTags }: Selection, put: Put): string {
  const [first, ...others] = tags;
  if (others.length > 0 && !allTags)
    return `SELECT DISTINCT member_id FROM member_tag_relations WHERE tag_id = ANY(${put(tags)})`;
  return `${relations(put(first))}${others.map((tag) => ` AND member_id IN (${relations(put(tag))})`).join("")}`;
}

/** Ids of all members in question, in any order. */
function gathered(selection: Selection, put: Put): string {
  const sets: string[] = [];
  if (selection.words.length > 0) sets.push(found(selection.words, put));
  if (selection.tags.length > 0) sets.push(tagged(selection, put));
  const [first, second] = sets;
  if (selection.source === undefined && first !== undefined) {
    return second === undefined ? first : `SELECT member_id FROM (${first}) AS hit WHERE member_id IN (${second})`;
  }
  const conditions = sets.map((set) => `id IN (${set})`);
  if (selection.source !== undefined) conditions.push(`source = ${put(selection.source)}`);
  return `SELECT id AS member_id FROM members${conditions.length > 0 ? ` WHERE ${conditions.join(" AND ")}` : ""}`;
}

export function countMembers(selection: Selection): Statement {
  const { values, put } = parameters();
  const { source, tags, allTags, words } = selection;
  if (source === undefined && words.length === 0 && !allTags) return countAny(tags);
  return { text: `SELECT count(*)::float8 AS n FROM (${gathered(selection, put)}) AS member`, values };
}

/** Those with any of the tags, the largest first: its own count is kept, and of each other only who has none before it. */
function countAny(tags: readonly number[]): Statement {
  const { values, put } = parameters();
  const places = tags.map(put);
  const terms = places.slice(1).map((place, index) => {
    const before = places.slice(0, index + 1).join(", ");
    return ` + (SELECT count(*) FROM member_tag_relations AS r WHERE tag_id = ${place} AND NOT EXISTS
      (SELECT FROM member_tag_relations WHERE member_id = r.member_id AND tag_id IN (${before})))`;
  });
  return { text: `SELECT (member_count${terms.join("")})::float8 AS n FROM tags WHERE id = ${places[0]}`, values };
}

/** The page among all in question. */
export function gatherPage(selection: Selection, place: Place): Statement {
  const { values, put } = parameters();
  // OFFSET 0: not by walking the order after all, which PostgreSQL takes for quick.
  const members = `SELECT id, ${place.sortBy} FROM members WHERE id IN (${gathered(selection, put)}) OFFSET 0`;
  return { text: shownPage(`SELECT id FROM (${members}) AS member ${ordered(place, put)}`, place), values };
}

/** The page among the first `most` in order that have the source. */
export function walkPage(selection: Selection, place: Place, most: number): Statement {
  const { values, put } = parameters();
  const { source, tags, allTags, words } = selection;
  const inOrder = `SELECT id, ${place.sortBy} FROM members${source === undefined ? "" : ` WHERE source = ${put(source)}`}
    ORDER BY ${orders[place.sortBy][place.order]} LIMIT ${put(most)}`;
  // OFFSET 0 keeps each question a question of one member, instead of a join with a million.
  const has = (tag: string) =>
    `EXISTS (SELECT FROM member_tag_relations WHERE member_id = member.id AND tag_id = ${tag} OFFSET 0)`;
  const asked = words.length === 0 ? [] : words.map(({ needle }) => `strpos(text, ${put(needle)}) > 0`);
  const conditions = allTags ? tags.map((tag) => has(put(tag))) : tags.length > 0 ? [has(`ANY(${put(tags)})`)] : [];
  if (asked.length > 0)
    conditions.push(
      `EXISTS (SELECT FROM member_search WHERE member_id = member.id AND ${asked.join(" AND ")} OFFSET 0)`,
    );
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(" AND ")}` : "";
  return { text: shownPage(`SELECT id FROM (${inOrder}) AS member${where} ${ordered(place, put)}`, place), values };
}

function ordered({ sortBy, order, limit, offset }: Place, put: Put): string {
  return `ORDER BY ${orders[sortBy][order]} LIMIT ${put(limit)} OFFSET ${put(offset)}`;
}

/** Tags of a member as JSON, those of members first. */
export const tagsOfMember = `
  coalesce((SELECT json_agg(json_build_object('id', tags.id, 'name', tags.name, 'type', tags.type) ORDER BY tags.type DESC, tags.id)
            FROM member_tag_relations JOIN tags ON tags.id = tag_id WHERE member_id = members.id), '[]')`;

export interface ListedRow {
  id: number;
  line_uid: string | null;
  line_display_name: string | null;
  first_name: string | null;
  last_name: string | null;
  email: string | null;
  phone: string | null;
  tags: { id: number; name: string; type: "member" | "interaction" }[];
  created_at: Date;
  last_interaction_at: Date | null;
}

/** Only what is shown is read whole. */
const shownPage = (ids: string, { sortBy, order }: Place) => `
  SELECT id::float8 AS id, line_uid, line_display_name, first_name, last_name, email, phone, ${tagsOfMember} AS tags,
         created_at, last_interaction_at
  FROM members WHERE id = ANY(ARRAY(${ids})) ORDER BY ${orders[sortBy][order]}`;
