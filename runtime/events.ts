/** Replies that go on: server-sent events (HTML standard, section 9.2), for what a page shows while it happens. */
import { Type, type Static, type TSchema } from "typebox";

export interface ServerEvent<D = unknown> {
  /** Sent as JSON. */
  data: D;
  /** Its type, for `addEventListener` of a page; `message` without one. No line breaks in it. */
  event?: string;
  /** Comes back as the header `Last-Event-ID` when a client connects again. No line breaks in it. */
  id?: string;
}

/** A reply of events. */
export class EventStream<D = unknown> {
  readonly events: AsyncIterable<ServerEvent<D>>;
  constructor(events: AsyncIterable<ServerEvent<D>>) {
    this.events = events;
  }
}

/**
 * Answers with events as they come. The time limit holds until the handler returns; from then on the stream may go on for
 * as long as its client stays. `ctx.signal` is aborted when the client leaves, and when the process stops or the function
 * is redeployed: clients then connect again by themselves. What is to be a problem must be thrown before.
 *
 * @example
 * .handle(async ({ params }, ctx) => {
 *   await mustExist(ctx, params.id);
 *   return eventStream(progress(ctx, params.id)); // async function* progress(…) { yield { event: "progress", data } }
 * });
 */
export function eventStream<D>(events: AsyncIterable<ServerEvent<D>>): EventStream<D> {
  return new EventStream(events);
}

/** What a contract `returns` for a reply of events, given the schema of their data. */
export function eventsOf<S extends TSchema>(data: S) {
  return Type.Unsafe<EventStream<Static<S>>>({
    type: "string",
    contentMediaType: "text/event-stream",
    contentSchema: data,
  });
}
