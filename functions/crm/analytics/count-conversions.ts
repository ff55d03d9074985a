import { schedule } from "#runtime";
import { checkConversions } from "#lib/crm/analytics/conversions.ts";

export default schedule("*/5 * * * * *", { summary: "Count the stays that followed a click" }).handle(
  async (_tick, ctx) => checkConversions(ctx),
);
