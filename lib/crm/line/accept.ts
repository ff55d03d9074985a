/** Takes what LINE's webhook brings. */
import type { Context } from "../../../runtime/context.ts";
import { eventsOf } from "./events.ts";
import { storeEvents } from "./events.sql.ts";
import { publishEvents } from "./publish.ts";

/**
 * Stores the events that the CRM acts on. Returns once they are committed: they are handled then, whatever happens. One
 * that LINE sends again is stored once.
 */
export async function acceptEvents(ctx: Context, received: readonly unknown[]): Promise<void> {
  const events = eventsOf(received, ctx.clock.now());
  if (events.length === 0) return;
  const { traceparent } = ctx.trace;
  const stored = await ctx.db.batch(storeEvents, { traceparent, events });
  ctx.tag({ events: stored.length });
  ctx.defer(
    publishEvents(
      ctx,
      stored.map(({ id }) => ({ id, attempt: 1, traceparent })),
    ),
  );
}
