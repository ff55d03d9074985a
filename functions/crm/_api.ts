/** The CRM's API: its envelope, and what its routes have in common. */
import { Type, type TSchema } from "typebox";
import { http } from "#runtime";
import { crmStyle } from "#lib/crm/style.ts";

export const crmApi = http.style(crmStyle());

/** The same for a route whose success is told in words of its own: `saying("Tags added successfully").post(…)`. */
export const saying = (message: string) => http.style(crmStyle(message));

/** `:id` of a path. Above 2^53 no number of JSON is exact. */
export const IdOf = (what: string) =>
  Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: `Id of the ${what}` }) });

export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
export const Time = Type.String({ format: "date-time" });
/** There is no year 0, and PostgreSQL takes none. */
export const Day = Type.String({ format: "date", pattern: "^(?!0000)" });
export const OrNull = <T extends TSchema>(schema: T, options: { description?: string } = {}) =>
  Type.Union([schema, Type.Null()], options);
export const Nothing = Type.Null();

/** Ids with commas between them, as a query has them. */
export const IdList = (description: string) =>
  Type.String({ description, maxLength: 400, pattern: String.raw`^$|^\d{1,15}(,\d{1,15}){0,19}$` });
export const idsOf = (list: string | undefined) =>
  list === undefined || list === "" ? [] : list.split(",").map(Number);
