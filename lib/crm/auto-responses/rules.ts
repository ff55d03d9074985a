/** The active rules, kept in memory for as long as the database does not say that they changed. */
import type { QueryResultRow } from "pg";
import type { Context } from "../../../runtime/context.ts";
import type { Rule } from "./choose.ts";

/** The name of all rules in the cache, and in the notice of their change. */
const key = "rules";

export async function activeRules(ctx: Pick<Context, "autoResponses" | "db">): Promise<readonly Rule[]> {
  return ctx.autoResponses.get(key) ?? (await ctx.autoResponses.fetch(key, () => load(ctx)));
}

async function load({ db }: Pick<Context, "db">): Promise<{ value: readonly Rule[]; id: string }> {
  const { rows } = await db.query<Rule & QueryResultRow>(
    `SELECT id::float8, trigger_type AS trigger, content, template_id::float8 AS "templateId",
            extract(epoch FROM trigger_time_start)::int AS "from", extract(epoch FROM trigger_time_end)::int AS until,
            coalesce((SELECT jsonb_agg(jsonb_build_object('id', keyword.id, 'folded', folded) ORDER BY keyword.id)
                      FROM auto_response_keywords AS keyword WHERE auto_response_id = auto_responses.id), '[]') AS keywords
     FROM auto_responses WHERE is_active ORDER BY id`,
  );
  return { value: rows, id: key };
}
