/** Pages of a list, by `page` and `limit`. */
import { Type } from "typebox";

/** The most that a page holds: a larger `limit` is taken as this, and shown so in the reply. */
export const mostPerPage = 100;

const page = { minimum: 1, maximum: 1_000_000_000, description: "From 1" };
const limit = { minimum: 1, description: `Entries per page; at most ${mostPerPage}` };
const firstPage = { page: 1, limit: 20 };

/** The part of a query that asks for a page. */
export const Paging = Type.Object({
  page: Type.Integer({ ...page, default: firstPage.page }),
  limit: Type.Integer({ ...limit, default: firstPage.limit }),
});

/** The same for a list that is whole unless a page of it is asked for. */
export const OptionalPaging = Type.Object({
  page: Type.Optional(Type.Integer(page)),
  limit: Type.Optional(Type.Integer(limit)),
});

export interface Page {
  page: number;
  limit: number;
  /** Entries on the pages before. */
  offset: number;
}

/** What to look up for such a query. */
export function pageOf({ page, limit }: { page: number; limit: number }): Page {
  const taken = Math.min(limit, mostPerPage);
  return { page, limit: taken, offset: (page - 1) * taken };
}

/** Undefined: all of it. */
export function optionalPageOf(asked: { page?: number; limit?: number }): Page | undefined {
  return asked.page === undefined && asked.limit === undefined ? undefined : pageOf({ ...firstPage, ...asked });
}
