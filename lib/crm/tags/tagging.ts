/**
 * Tags on members, by hand. Everybody who tags, taps included, locks the member, then the tags in order, and only then
 * writes: so nobody waits for somebody who waits for him.
 */
import type { Context } from "../../../runtime/context.ts";
import type { Queryable } from "../../resources/database.ts";
import { tagsOfMember, type ListedRow } from "../members/list.sql.ts";
import { memberNotFound, tagNotFound } from "../problems.ts";

export type MemberTags = ListedRow["tags"];

/**
 * Adds those that he has not got, and returns all he has then. An interaction tag that is new to him is noted as one
 * that was set by hand. Throws `member_not_found`, and `tag_not_found` with nothing added.
 */
export async function addTags(
  { db }: Pick<Context, "db">,
  memberId: number,
  tagIds: readonly number[],
): Promise<MemberTags> {
  const { rows } = await db.query<{ is_member: boolean; missing: string[] }>(
    `WITH member AS MATERIALIZED (SELECT id FROM members WHERE id = $1 FOR KEY SHARE),
          known AS MATERIALIZED (SELECT id, type, campaign_id FROM tags WHERE id = ANY($2) AND EXISTS (SELECT FROM member)
                                 ORDER BY id FOR NO KEY UPDATE),
          added AS (INSERT INTO member_tag_relations (member_id, tag_id)
                    SELECT $1, id FROM known WHERE (SELECT count(*) FROM known) = cardinality($2::bigint[]) ORDER BY id
                    ON CONFLICT DO NOTHING RETURNING tag_id),
          noted AS (INSERT INTO tag_trigger_logs (member_id, tag_id, campaign_id, trigger_source)
                    SELECT $1, id, campaign_id, 'manual' FROM known JOIN added ON tag_id = id WHERE type = 'interaction')
     SELECT EXISTS (SELECT FROM member) AS is_member,
            ARRAY(SELECT unnest($2::bigint[]) EXCEPT SELECT id FROM known) AS missing`,
    [memberId, [...new Set(tagIds)]],
  );
  const [found] = rows;
  if (!found?.is_member) throw memberNotFound();
  if (found.missing.length > 0) {
    const message = `No tag has the id ${found.missing.join(", ")}`;
    throw tagNotFound({ message, details: [{ field: "tag_ids", message }] });
  }
  return await readTags(db, memberId);
}

/** Throws `member_not_found`, and `tag_not_found` for one that he has not got. */
export async function removeTag({ db }: Pick<Context, "db">, memberId: number, tagId: number): Promise<void> {
  const { rowCount } = await db.query(
    `WITH tag AS MATERIALIZED (SELECT id FROM tags WHERE id = $2 FOR NO KEY UPDATE)
     DELETE FROM member_tag_relations USING tag WHERE member_id = $1 AND tag_id = tag.id`,
    [memberId, tagId],
  );
  if (rowCount !== 0) return;
  await readTags(db, memberId);
  throw tagNotFound({ message: "The member does not have this tag" });
}

async function readTags(db: Queryable, memberId: number): Promise<MemberTags> {
  const { rows } = await db.query<{ tags: MemberTags }>(`SELECT ${tagsOfMember} AS tags FROM members WHERE id = $1`, [
    memberId,
  ]);
  const [row] = rows;
  if (!row) throw memberNotFound();
  return row.tags;
}
