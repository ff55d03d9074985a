/** Which tags members' taps trigger. */
import type { Context } from "../../../runtime/context.ts";
import type { Period } from "./period.ts";
import { rate } from "./rates.ts";

export interface TagShare {
  tag_id: number;
  tag_name: string;
  trigger_count: number;
  /** Of all triggers, in percent. */
  percentage: number;
}

interface TagRow {
  tag_id: number;
  tag_name: string;
  trigger_count: number;
  total: number;
}

/** The most triggered first: at most `limit` of those that have been triggered. Tags keep their counts. */
export async function shareOfTags({ db }: Pick<Context, "db">, limit: number): Promise<TagShare[]> {
  const { rows } = await db.query<TagRow>(
    `SELECT id::float8 AS tag_id, name AS tag_name, trigger_count::float8 AS trigger_count,
       (sum(trigger_count) OVER ())::float8 AS total
     FROM tags WHERE trigger_count > 0 ORDER BY trigger_count DESC, id LIMIT $1`,
    [limit],
  );
  return rows.map(shown);
}

/** The same of what was triggered in a period: it reads all of that, for reports. */
export async function shareOfTagsWithin(
  { db }: Pick<Context, "db">,
  { start, end }: Pick<Period, "start" | "end">,
): Promise<TagShare[]> {
  const { rows } = await db.query<TagRow>(
    `SELECT id::float8 AS tag_id, name AS tag_name, n::float8 AS trigger_count, (sum(n) OVER ())::float8 AS total
     FROM (SELECT tag_id, count(*) AS n FROM tag_trigger_logs
           WHERE triggered_at >= $1::date::timestamp AT TIME ZONE 'Asia/Taipei'
             AND triggered_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Taipei' GROUP BY tag_id) AS triggers
       JOIN tags ON tags.id = tag_id
     ORDER BY n DESC, id`,
    [start, end],
  );
  return rows.map(shown);
}

function shown({ total, ...tag }: TagRow): TagShare {
  return { ...tag, percentage: rate(tag.trigger_count, total) };
}
