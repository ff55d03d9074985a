import { schedule } from "#runtime";
import { sumDays } from "#lib/crm/analytics/days.ts";

export default schedule("*/5 * * * * *", { summary: "Sum up what has happened on each day" }).handle(
  async (_tick, ctx) => sumDays(ctx),
);
