/** Which rule answers. Pure. */
import { fold } from "./fold.ts";

export interface Rule {
  id: number;
  trigger: "welcome" | "keyword" | "time";
  content: string;
  templateId: number | null;
  /** Seconds of the day in the hotel's zone. */
  from: number | null;
  until: number | null;
  keywords: readonly { id: number; folded: string }[];
}

export interface Choice {
  rule: Rule;
  /** That matched, of a keyword rule. */
  keywordId: number | null;
}

/** What there is to answer: `text` is null for whatever is no text, `second` counts from midnight in the hotel's zone. */
export type Asked = { kind: "follow" } | { kind: "message"; text: string | null; second: number };

/**
 * A keyword that is the whole text goes first, then the longest one that is in it, then the rule with the lowest id.
 * Time rules are asked after all keywords. `rules` are the active ones.
 */
export function chooseRule(rules: readonly Rule[], asked: Asked): Choice | undefined {
  if (asked.kind === "follow") return ofRule(first(rules.filter(({ trigger }) => trigger === "welcome")));
  const byKeyword = asked.text === null ? undefined : keywordIn(rules, fold(asked.text));
  return byKeyword ?? ofRule(first(rules.filter((rule) => rule.trigger === "time" && isWithin(rule, asked.second))));
}

function keywordIn(rules: readonly Rule[], text: string): Choice | undefined {
  let best: (Choice & { score: number }) | undefined;
  for (const rule of rules) {
    if (rule.trigger !== "keyword") continue;
    for (const { id, folded } of rule.keywords) {
      if (folded === "" || !text.includes(folded)) continue;
      const score = folded === text ? Infinity : [...folded].length;
      if (best && (score < best.score || (score === best.score && rule.id >= best.rule.id))) continue;
      best = { rule, keywordId: id, score };
    }
  }
  return best;
}

/** A window whose end is not after its start goes on until the next day; with both the same it is the whole day. */
export function isWithin({ from, until }: Pick<Rule, "from" | "until">, second: number): boolean {
  if (from === null || until === null) return false;
  return from < until ? second >= from && second < until : second >= from || second < until;
}

const ofRule = (rule: Rule | undefined): Choice | undefined => rule && { rule, keywordId: null };

function first(rules: readonly Rule[]): Rule | undefined {
  return rules.reduce<Rule | undefined>((lowest, rule) => (lowest && lowest.id < rule.id ? lowest : rule), undefined);
}
