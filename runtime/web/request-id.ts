/** The id by which a caller and the logs speak of one request. */
import type { Incoming } from "./incoming.ts";

/** Starts a request id; the rest is a counter. Unique across processes, and next to nothing to compute per request. */
const bootId = `${Date.now().toString(36)}${process.pid.toString(36)}`;
let requests = 0;

const requestIdPattern = /^[\w.:-]{1,64}$/;

/** The caller's `X-Request-Id` where it is a plain one, else a new id. */
export function requestId(incoming: Incoming): string {
  const given = incoming.header("x-request-id");
  if (given !== undefined && requestIdPattern.test(given)) return given;
  return `${bootId}-${(++requests).toString(36)}`;
}
