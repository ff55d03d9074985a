/** The operations of the API's documentation, and what they take. */
import type { Random } from "../harness/random.ts";
import type { Schema } from "./fitting.ts";

export interface Operation {
  method: string;
  path: string;
  /** `GET /api/v1/members/{id}` */
  name: string;
  /** Whose token it wants. */
  access: "mail" | "crm" | "anyone";
  parameters: { name: string; in: string; schema: Schema }[];
  body: Schema | undefined;
  isForm: boolean;
}

interface Document {
  paths: Record<string, Record<string, RawOperation>>;
}

interface RawOperation {
  parameters?: { name: string; in: string; schema?: Schema }[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
  security?: Record<string, unknown>[];
}

/** The runtime's own, which documents functions only. */
const pages = ["/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"];

/**
 * What takes processor time at each call, or makes work that goes on after it (bcrypt, pictures, reports, a thousand
 * mails, a campaign): how often in place of once, so that the others are not kept waiting for it.
 */
const seldom: readonly [RegExp, number][] = [
  [/ \/api\/v1\/auth\/(?:login|password)$|^P.* \/api\/v1\/users/, 0.1],
  [/ \/(?:metrics|docs|openapi\.json)$/, 0.1],
  [/ \/api\/v1\/(?:pms\/sync|analytics\/export)$/, 0.1],
  [/ \/api\/v1\/(?:upload\/image|mail\/send\/batch)$|trigger-due$|\/\{id\}\/send$/, 0.3],
];

/** Asks for a password's hash, of which a core makes five a second. */
export const hashes = (name: string): boolean => seldom[0]?.[0].test(name) === true;

export function operationsOf({ paths }: Document): Operation[] {
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, { parameters = [], requestBody, security = [] }]): Operation => {
      const [[type = "", content] = []] = Object.entries(requestBody?.content ?? {});
      const given = parameters.map(({ name, in: where, schema = {} }) => ({ name, in: where, schema }));
      return {
        ...page(verb.toUpperCase(), path),
        access: security.some((scheme) => "crm" in scheme) ? "crm" : security.length > 0 ? "mail" : "anyone",
        parameters: given,
        body: content?.schema,
        isForm: type.startsWith("multipart/"),
      };
    }),
  );
  return [...documented, ...pages.map((path) => page("GET", path))];
}

const page = (method: string, path: string): Operation => ({
  method,
  path,
  name: `${method} ${path}`,
  access: "anyone",
  parameters: [],
  body: undefined,
  isForm: false,
});

/** Picks operations: each as often as another, but for those that cost much. */
export function pickerOf(operations: readonly Operation[]): (random: Random) => Operation {
  let end = 0;
  const ends = operations.map(({ name }) => (end += seldom.find(([pattern]) => pattern.test(name))?.[1] ?? 1));
  return (random) => {
    const at = random.next() * end;
    const picked = operations[ends.findIndex((each) => at < each)];
    if (!picked) throw new Error("the documentation names no operation");
    return picked;
  };
}
