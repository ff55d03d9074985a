/** The rules of auto responses, as users keep them. */
import type { Context } from "../../../runtime/context.ts";
import type { Queryable } from "../../resources/database.ts";
import { autoResponseNotFound, invalid } from "../problems.ts";
import { unicodeFaults } from "../unicode.ts";
import { fold } from "./fold.ts";

export const triggers = ["welcome", "keyword", "time"] as const;
export type Trigger = (typeof triggers)[number];

/** As it is written; names are those of the wire. */
export interface AutoResponseInput {
  name: string;
  trigger_type: Trigger;
  content?: string;
  template_id?: number | null;
  keywords?: readonly string[];
  is_active?: boolean;
  /** `HH:MM` or `HH:MM:SS`, in the hotel's zone. */
  trigger_time_start?: string | null;
  trigger_time_end?: string | null;
}

export interface AutoResponseRow {
  id: number;
  name: string;
  trigger_type: Trigger;
  content: string;
  template_id: number | null;
  is_active: boolean;
  trigger_time_start: string | null;
  trigger_time_end: string | null;
  trigger_count: number;
  success_rate: number;
  created_at: Date;
  keywords: { id: number; keyword: string; match_count: number }[];
}

const columns = `id::float8, name, trigger_type, content, template_id::float8, is_active, trigger_time_start::text,
  trigger_time_end::text, trigger_count, success_rate::float8, created_at,
  coalesce((SELECT jsonb_agg(jsonb_build_object('id', keyword.id, 'keyword', keyword, 'match_count', match_count)
                             ORDER BY keyword.id)
            FROM auto_response_keywords AS keyword WHERE auto_response_id = auto_responses.id), '[]') AS keywords`;

/** All of them, oldest first. */
export async function listAutoResponses(
  { db }: Pick<Context, "db">,
  { trigger, isActive }: { trigger?: Trigger | undefined; isActive?: boolean | undefined },
): Promise<AutoResponseRow[]> {
  const { rows } = await db.query<AutoResponseRow & Record<string, unknown>>(
    `SELECT ${columns} FROM auto_responses
     WHERE ($1::text IS NULL OR trigger_type = $1) AND ($2::boolean IS NULL OR is_active = $2) ORDER BY id`,
    [trigger ?? null, isActive ?? null],
  );
  return rows;
}

export async function getAutoResponse(db: Queryable, id: number): Promise<AutoResponseRow> {
  const { rows } = await db.query<AutoResponseRow & Record<string, unknown>>(
    `SELECT ${columns} FROM auto_responses WHERE id = $1`,
    [id],
  );
  const [row] = rows;
  if (!row) throw autoResponseNotFound();
  return row;
}

export async function createAutoResponse(
  { db }: Pick<Context, "db">,
  input: AutoResponseInput,
): Promise<AutoResponseRow> {
  return await db.transaction(async (tx) => {
    const row = await checked(tx, input);
    const { rows } = await tx.query<{ id: number }>(
      `INSERT INTO auto_responses (name, trigger_type, content, template_id, is_active, trigger_time_start, trigger_time_end)
       VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id::float8`,
      valuesOf(row),
    );
    const id = rows[0]?.id ?? 0;
    await writeKeywords(tx, id, row.keywords ?? []);
    return await getAutoResponse(tx, id);
  });
}

/** Changes what is given. A keyword that stays keeps its count. */
export async function updateAutoResponse(
  { db }: Pick<Context, "db">,
  id: number,
  given: Partial<AutoResponseInput>,
): Promise<AutoResponseRow> {
  return await db.transaction(async (tx) => {
    // So that two who change it at once do not mix: each sees the whole of what the other one left.
    await tx.query("SELECT FROM auto_responses WHERE id = $1 FOR UPDATE", [id]);
    const before = await getAutoResponse(tx, id);
    const keywords = before.keywords.map(({ keyword }) => keyword);
    const row = await checked(tx, { ...before, keywords, ...given });
    await tx.query(
      `UPDATE auto_responses SET name = $1, trigger_type = $2, content = $3, template_id = $4, is_active = $5,
              trigger_time_start = $6, trigger_time_end = $7, updated_at = now()
       WHERE id = $8`,
      [...valuesOf(row), id],
    );
    await writeKeywords(tx, id, row.keywords ?? []);
    return await getAutoResponse(tx, id);
  });
}

export async function deleteAutoResponse({ db }: Pick<Context, "db">, id: number): Promise<void> {
  const { rowCount } = await db.query("DELETE FROM auto_responses WHERE id = $1", [id]);
  if (rowCount === 0) throw autoResponseNotFound();
}

const mostFolded = 200;

/** What belongs to its trigger alone, with everything that is wrong told by field. */
async function checked(tx: Queryable, input: AutoResponseInput): Promise<AutoResponseInput> {
  const { trigger_type: trigger, template_id: templateId = null, content = "" } = input;
  const details = unicodeFaults({ content });
  const keywords = trigger === "keyword" ? distinct(input.keywords ?? []) : [];
  if (trigger === "keyword" && keywords.length === 0)
    details.push({ field: "keywords", message: "must be at least one" });
  for (const [index, keyword] of (input.keywords ?? []).entries()) {
    const { length } = fold(keyword);
    if (length === 0 || length > mostFolded)
      details.push({ field: `keywords[${index}]`, message: length ? "is too long" : "must not be blank" });
  }
  const [start, end] =
    trigger === "time" ? [input.trigger_time_start ?? null, input.trigger_time_end ?? null] : [null, null];
  if (trigger === "time" && start === null) details.push({ field: "trigger_time_start", message: "is needed" });
  if (trigger === "time" && end === null) details.push({ field: "trigger_time_end", message: "is needed" });
  if (templateId === null && content.trim() === "")
    details.push({ field: "content", message: "must not be blank without a template" });
  if (templateId !== null && !(await isTemplate(tx, templateId)))
    details.push({ field: "template_id", message: "is no template" });
  if (details.length > 0) throw invalid(...details);
  return { ...input, content, template_id: templateId, keywords, trigger_time_start: start, trigger_time_end: end };
}

/** Keeps it from being deleted until the rule is there. */
async function isTemplate(tx: Queryable, id: number): Promise<boolean> {
  const { rowCount } = await tx.query("SELECT FROM message_templates WHERE id = $1 FOR KEY SHARE", [id]);
  return rowCount === 1;
}

/** The first of those that are compared alike. */
function distinct(keywords: readonly string[]): string[] {
  const byFolded = new Map<string, string>();
  for (const keyword of keywords) if (!byFolded.has(fold(keyword))) byFolded.set(fold(keyword), keyword.trim());
  return [...byFolded.values()];
}

function valuesOf(row: AutoResponseInput): unknown[] {
  const { name, trigger_type, content, template_id, is_active = true, trigger_time_start, trigger_time_end } = row;
  return [name, trigger_type, content, template_id, is_active, trigger_time_start, trigger_time_end];
}

async function writeKeywords(tx: Queryable, id: number, keywords: readonly string[]): Promise<void> {
  const folded = keywords.map(fold);
  await tx.query("DELETE FROM auto_response_keywords WHERE auto_response_id = $1 AND folded <> ALL ($2)", [id, folded]);
  if (keywords.length === 0) return;
  await tx.query(
    `INSERT INTO auto_response_keywords AS kept (auto_response_id, keyword, folded)
     SELECT $1, keyword, folded FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS given (keyword, folded, place)
     ORDER BY place
     ON CONFLICT (auto_response_id, folded) DO UPDATE SET keyword = excluded.keyword WHERE kept.keyword <> excluded.keyword`,
    [id, keywords, folded],
  );
}
