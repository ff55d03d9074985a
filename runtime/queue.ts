/** The `queue` builder: a consumer of one queue. */
import type { Static, TSchema } from "typebox";
import type { Outcome } from "./broker.ts";
import type { Context, Setting } from "./context.ts";
import type { Limits } from "./limits.ts";

/** Deliveries in progress at once in this process: as many as the load asks for, between two bounds. */
export interface Workers {
  /** Kept when idle, and left when handlers ask for ease. */
  min: number;
  max: number;
  /** Messages taken from the queue, in progress or waiting for their turn here. Default `max`; less bounds it. */
  prefetch?: number;
}

export interface QueueContract<M extends TSchema> extends Omit<Limits, "concurrency"> {
  summary?: string;
  /** What a message must look like; one that does not goes to the dead letter queue. */
  message: M;
  /** Deliveries in progress at once in this process: always so many, or as `Workers` say. Default 10. */
  concurrency?: Setting<number | Workers>;
  /** Delays in seconds before the second, third, … attempt of a message whose handler threw. Default: no retry. */
  retry?: Setting<readonly number[]>;
  /** Queue that takes what is given up. */
  deadLetter?: Setting<string>;
}

export interface QueueRequest<M = unknown> {
  readonly message: M;
  /** 1 for the first try. A message may be delivered twice with the same number. */
  readonly attempt: number;
}

export interface QueueFunction {
  readonly kind: "queue";
  readonly queue: Setting<string>;
  readonly contract: QueueContract<TSchema>;
  handler(request: QueueRequest, ctx: Context): unknown;
}

/**
 * Makes a queue function. Its handler may run twice for one message. Returning means done; returning an `Outcome`
 * decides otherwise; throwing retries along the contract's ladder and then gives the message up.
 *
 * @example
 * export default queue("thumbnails", { message: Picture, concurrency: 4, retry: [1, 5, 30] })
 *   .handle(async ({ message }, ctx) => makeThumbnail(ctx, message.path));
 */
export function queue<M extends TSchema>(name: Setting<string>, contract: QueueContract<M>) {
  return {
    handle(
      handler: (request: QueueRequest<Static<M>>, ctx: Context) => Promise<Outcome | void> | Outcome | void,
    ): QueueFunction {
      return { kind: "queue", queue: name, contract, handler } as unknown as QueueFunction;
    },
  };
}
