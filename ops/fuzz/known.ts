/** What answers have told: ids and links, given back in later requests so that they reach what exists. */
import { seeded, type Random } from "../harness/random.ts";

export type Id = string | number;

/** Kinds by the word of a path that their id follows, and that their list ends with. */
const kinds: Readonly<Record<string, string>> = {
  "auto-responses": "rule",
  campaigns: "campaign",
  cancel: "mail",
  export: "export",
  exports: "export",
  mail: "job",
  members: "member",
  retry: "failed",
  reviews: "review",
  "sender-config": "sender",
  "sender-configs": "sender",
  status: "mail",
  tags: "tag",
  templates: "template",
  token: "token",
  tokens: "token",
  users: "user",
};

/** Kinds by a field's name, in paths, bodies and answers. */
const named: Readonly<Record<string, string>> = {
  campaign_id: "campaign",
  client_id: "client",
  client_ids: "client",
  config_id: "sender",
  cursor: "cursor",
  exclude_tags: "tag",
  include_tags: "tag",
  interaction_tag_id: "tag",
  link: "report",
  mail_id: "mail",
  member: "member",
  member_id: "member",
  member_ids: "member",
  next_cursor: "cursor",
  report_id: "export",
  signed: "link",
  tag_id: "tag",
  tag_ids: "tag",
  tags: "tag",
  task_id: "task",
  template: "template",
  template_id: "template",
  token: "issued",
  token_id: "token",
};

/** Links in whatever text, and the kind that what they end with is. */
const links: readonly [RegExp, string][] = [
  [/\/static\/uploads\/images\/(?:templates|members)\/([\w.-]+)/g, "picture"],
  [/\/analytics\/reports\/([\w.~-]+)/g, "report"],
  [/\/r\/([\w.~-]{20,})/g, "link"],
];

/** Of what a field of a body is the id. */
export const kindOfField = (name: string): string | undefined =>
  /(?:_id|_ids|_tags|^cursor)$/.test(name) ? named[name] : undefined;

/** Of what a parameter of a path is the id. */
export function kindOfParameter(path: string, name: string): string | undefined {
  if (name === "name") return "picture";
  if (name !== "id") return named[name];
  // Those that have just been sent: one on its way is soon over.
  if (/\/(?:pause|resume)$/.test(path)) return "under way";
  return kinds[path.slice(0, path.indexOf("/{id}")).split("/").at(-1) ?? ""];
}

/** Of what an answer tells the ids that it calls nothing but `id`. */
function kindOfAnswer(path: string): string | undefined {
  const parts = path.split("/");
  const last = parts.at(-1) ?? "";
  if (last.startsWith("{")) return kindOfParameter(path, last.slice(1, -1));
  return path.includes("{") ? undefined : kinds[last];
}

const mostOfAKind = 400;
const mostBrief = 3;
const mostItems = 25;

export class Known {
  readonly #pools = new Map<string, Id[]>();
  readonly #spared = new Map<string, Set<Id>>();
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  pick(kind: string, random: Random): Id | undefined {
    const pool = this.#pools.get(kind) ?? [];
    return pool[random.between(0, pool.length - 1)];
  }

  add(kind: string, id: Id): void {
    if (this.#spared.get(kind)?.has(id)) return;
    const pool = this.#pools.get(kind) ?? [];
    this.#pools.set(kind, pool);
    if (pool.includes(id)) return;
    if (pool.length < mostOfAKind) pool.push(id);
    else pool[this.#random.between(0, pool.length - 1)] = id;
  }

  /** The same for what is soon over: only the last few are kept. */
  addBriefly(kind: string, id: Id): void {
    const pool = (this.#pools.get(kind) ?? []).filter((each) => each !== id);
    this.#pools.set(kind, [...pool, id].slice(-mostBrief));
  }

  /** Keeps an id out of it: what stands under it is needed to go on. */
  spare(kind: string, id: Id): void {
    const spared = this.#spared.get(kind) ?? new Set();
    this.#spared.set(kind, spared.add(id));
    this.forget(kind, id);
  }

  /** For what is not there any more. */
  forget(kind: string, id: Id): void {
    const pool = this.#pools.get(kind) ?? [];
    const at = pool.indexOf(id);
    if (at >= 0) pool.splice(at, 1);
  }

  /** Takes the ids out of an answer of a route. */
  learn(path: string, text: string): void {
    this.learnLinks(text);
    try {
      this.#take(JSON.parse(text), kindOfAnswer(path), 0);
    } catch {
      // A page, or a file.
    }
  }

  learnLinks(text: string): void {
    for (const [pattern, kind] of links) for (const [, id = ""] of text.matchAll(pattern)) this.add(kind, id);
  }

  #take(value: unknown, kind: string | undefined, depth: number): void {
    if (typeof value !== "object" || value === null || depth > 5) return;
    if (Array.isArray(value)) return value.slice(0, mostItems).forEach((item) => this.#take(item, kind, depth + 1));
    for (const [name, item] of Object.entries(value)) {
      const isId = typeof item === "number" || (typeof item === "string" && item !== "");
      const itsKind = name === "id" ? kind : named[name];
      if (isId && itsKind) this.add(itsKind, item);
      // What wraps the thing itself: an envelope, a page, a list.
      const isSame = /^(?:data|items|mails|results|tokens|sender_configs|configs|jobs)$/.test(name);
      if (!isId) this.#take(item, isSame ? kind : named[name], depth + 1);
    }
  }

  /** How many there are of each kind. */
  get sizes(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#pools].map(([kind, pool]) => [kind, pool.length]));
  }
}
