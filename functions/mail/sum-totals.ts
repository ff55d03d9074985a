import { schedule } from "#runtime";
import { sumTotals } from "#lib/mail/totals.ts";

export default schedule("*/2 * * * * *", { summary: "Sum up the totals that history shows" }).handle(
  async (_tick, ctx) => sumTotals(ctx),
);
