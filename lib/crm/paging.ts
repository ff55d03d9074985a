/** Pages of the CRM's lists, by `page` and `page_size`. */
import { Type, type TSchema } from "typebox";
import { problems } from "../../runtime/problem.ts";
import { mostPerPage } from "../paging.ts";

/** The part of a query that asks for a page; `size` is what a list holds unless told. */
export const Paging = (size = 20) => ({
  page: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1, description: "From 1" }),
  page_size: Type.Integer({ minimum: 1, default: size, description: `Entries per page; at most ${mostPerPage}` }),
});

export interface Page {
  page: number;
  pageSize: number;
  /** Entries on the pages before. */
  offset: number;
}

/** What to look up for such a query. A larger size is taken as the most, and shown so in the reply. */
export function pageOf({ page, page_size }: { page: number; page_size: number }): Page {
  const pageSize = Math.min(page_size, mostPerPage);
  return { page, pageSize, offset: (page - 1) * pageSize };
}

/** How many entries a page may skip: finding its place takes up to 100 ms there, and ten times as long at ten times that. */
const mostSkipped = 100_000;

/** Throws `invalid_request` for a page too deep; `instead` is what helps. */
export function refuseDeep({ offset }: Page, instead: string): void {
  if (offset <= mostSkipped) return;
  const message = `skips more than ${mostSkipped} entries; ${instead}`;
  throw problems.invalidRequest({ details: [{ field: "page", message }], part: "query" });
}

export interface Found<T> {
  items: T[];
  /** On all pages. */
  total: number;
}

export const PageOf = <T extends TSchema>(item: T) =>
  Type.Object({
    items: Type.Array(item),
    total: Type.Integer(),
    page: Type.Integer(),
    page_size: Type.Integer(),
    total_pages: Type.Integer(),
  });

/** A page as it is answered. */
export function shown<Row, Item>({ items, total }: Found<Row>, { page, pageSize }: Page, show: (row: Row) => Item) {
  return { items: items.map(show), total, page, page_size: pageSize, total_pages: Math.ceil(total / pageSize) };
}
