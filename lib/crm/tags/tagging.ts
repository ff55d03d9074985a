/** Tags on members, by hand. */
import { DatabaseError } from "pg";
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
  const wanted = [...new Set(tagIds)];
  try {
    const { rows } = await db.query<{ missing: string[] }>(
      `WITH known AS (SELECT id, type, campaign_id FROM tags WHERE id = ANY($2)),
            added AS (INSERT INTO member_tag_relations (member_id, tag_id)
                      SELECT $1, id FROM known WHERE (SELECT count(*) FROM known) = cardinality($2::bigint[]) ORDER BY id
                      ON CONFLICT DO NOTHING RETURNING tag_id),
            noted AS (INSERT INTO tag_trigger_logs (member_id, tag_id, campaign_id, trigger_source)
                      SELECT $1, id, campaign_id, 'manual' FROM known JOIN added ON tag_id = id WHERE type = 'interaction')
       SELECT ARRAY(SELECT unnest($2::bigint[]) EXCEPT SELECT id FROM known) AS missing`,
      [memberId, wanted],
    );
    const missing = rows[0]?.missing ?? [];
    if (missing.length > 0) {
      const message = `No tag has the id ${missing.join(", ")}`;
      throw tagNotFound({ message, details: [{ field: "tag_ids", message }] });
    }
  } catch (error) {
    if (error instanceof DatabaseError && error.code === "23503") throw memberNotFound({ cause: error });
    throw error;
  }
  return await readTags(db, memberId);
}

/** Throws `member_not_found`, and `tag_not_found` for one that he has not got. */
export async function removeTag({ db }: Pick<Context, "db">, memberId: number, tagId: number): Promise<void> {
  const { rowCount } = await db.query("DELETE FROM member_tag_relations WHERE member_id = $1 AND tag_id = $2", [
    memberId,
    tagId,
  ]);
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
