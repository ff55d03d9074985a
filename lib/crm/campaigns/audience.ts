/** Whom a campaign is for, as a condition on members. */
import type { Detail } from "../../../runtime/problem.ts";
import type { TargetAudience, TriggerCondition } from "./campaign.ts";

/** As a client sends it, before it is known to make sense. */
export interface AudienceInput {
  type: "all" | "tags";
  include_tags?: number[];
  exclude_tags?: number[];
  tags_mode?: "any" | "all";
}

export interface Audience {
  target_audience: TargetAudience;
  trigger_condition: TriggerCondition | null;
}

/** What is kept of an audience, or what is wrong with it. */
export function audienceOf(input: AudienceInput): TargetAudience | Detail[] {
  const { type, include_tags: include, exclude_tags: exclude, tags_mode: mode } = input;
  if (type === "all") {
    const [given] = Object.entries({ include_tags: include, exclude_tags: exclude, tags_mode: mode }).filter(
      ([, value]) => value !== undefined,
    );
    return given ? [{ field: `target_audience.${given[0]}`, message: 'needs the type "tags"' }] : { type };
  }
  if (!include?.length && !exclude?.length) {
    return [{ field: "target_audience.include_tags", message: "must name a tag, or exclude_tags must" }];
  }
  return {
    type,
    ...(include && { include_tags: [...new Set(include)] }),
    ...(exclude && { exclude_tags: [...new Set(exclude)] }),
    ...(mode && { tags_mode: mode }),
  };
}

export function tagsOf(audience: TargetAudience): number[] {
  return audience.type === "all" ? [] : [...(audience.include_tags ?? []), ...(audience.exclude_tags ?? [])];
}

export function triggerFaults(trigger: TriggerCondition | null | undefined): Detail[] {
  if (!trigger) return [];
  const [from, to] = trigger.days_range;
  return from <= to ? [] : [{ field: "trigger_condition.days_range", message: "must not end before it begins" }];
}

export interface Condition {
  /** Of a WHERE, on `members AS m`; its values from `$first` on. */
  sql: string;
  values: unknown[];
}

/**
 * The members that an audience has at `now`: those whom LINE reaches and who want it, by tags (an excluded one wins), by
 * days since they followed: calendar days in the hotel's zone. Of a million members it is counted in 0.1 to 0.6 s.
 */
export function audienceCondition(
  { target_audience: target, trigger_condition: trigger }: Audience,
  now: Date,
  first = 1,
): Condition {
  const values: unknown[] = [];
  const place = (value: unknown) => `$${first - 1 + values.push(value)}`;
  const parts = ["m.line_uid IS NOT NULL AND m.accept_marketing AND m.blocked_at IS NULL"];
  if (target.type === "tags") {
    const { include_tags: include = [], exclude_tags: exclude = [], tags_mode: mode = "any" } = target;
    const tagged = (tags: number[]) =>
      `SELECT member_id FROM member_tag_relations WHERE tag_id = ANY(${place(tags)}::bigint[])`;
    if (include.length > 0) {
      const all = mode === "all" ? ` GROUP BY member_id HAVING count(*) = ${place(include.length)}` : "";
      parts.push(`m.id IN (${tagged(include)}${all})`);
    }
    if (exclude.length > 0) parts.push(`NOT EXISTS (${tagged(exclude)} AND member_id = m.id)`);
  }
  if (trigger) {
    const [from, to] = trigger.days_range;
    const today = `(${place(now)}::timestamptz AT TIME ZONE 'Asia/Taipei')::date`;
    const midnight = (days: string) => `(${today} - ${days})::timestamp AT TIME ZONE 'Asia/Taipei'`;
    parts.push(`m.friended_at >= ${midnight(`${place(to)}::int`)}`);
    parts.push(`m.friended_at < ${midnight(`${place(from)}::int + 1`)}`);
  }
  return { sql: parts.join(" AND "), values };
}

export function countAudience(audience: Audience, now: Date): { text: string; values: unknown[] } {
  const { sql, values } = audienceCondition(audience, now);
  return { text: `SELECT count(*)::int AS count FROM members AS m WHERE ${sql}`, values };
}
