/** What the routes of analytics have in common. */
import { Type } from "typebox";
import { mostDays } from "#lib/crm/analytics/period.ts";
import { Day, OrNull } from "../_api.ts";

/** The part of a query, or a body, that says which days. */
export const Days = {
  start_date: Type.Optional(
    Type.String({
      ...Day,
      description: "Of the hotel's calendar (Asia/Taipei). Without it, 30 days end with end_date",
    }),
  ),
  end_date: Type.Optional(
    Type.String({ ...Day, description: `Included; at most ${mostDays} days in all. Without it, today` }),
  ),
};

export const Count = Type.Integer();
export const Rate = Type.Number({ description: "Percent, with one decimal" });
export const Change = OrNull(Type.Number({ description: "Percent, with one decimal" }), {
  description: "null: nothing to compare with",
});
