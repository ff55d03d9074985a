/** What the log of requests tells of a call: who, from where, what and how it ended. Never what was in it. */
import type { AnsweredCall } from "../runtime/host/host.ts";
import type { ApiLogRow } from "./resources/api-log.ts";

/** The row of a call; undefined for one whose client nobody knows. */
export function apiLogRow(call: AnsweredCall, at: Date): ApiLogRow | undefined {
  const { caller } = call;
  if (!isClient(caller)) return undefined;
  return {
    client_id: caller.clientId,
    client_name: caller.clientName,
    request_ip: plainIp(call.ip),
    endpoint: call.path,
    method: call.method,
    mail_id: mailIdOf(call),
    status_code: call.status,
    response_time_ms: Math.round(call.durationMs),
    created_ms: at.getTime(),
  };
}

/** By its shape: the class of a caller is another one in each function that was loaded. */
export function isClient(caller: unknown): caller is { clientId: string; clientName: string } {
  return typeof caller === "object" && caller !== null && "clientId" in caller && "clientName" in caller;
}

/** Of an IPv6 socket: an IPv4 address as itself, and without the network interface. */
function plainIp(ip: string | undefined): string | null {
  if (ip === undefined) return null;
  return ip.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}

const uuidPattern = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The mail that was made, or that was asked about. */
function mailIdOf({ reply, params, path }: AnsweredCall): string | null {
  const made = typeof reply === "object" && reply !== null && "mail_id" in reply ? reply.mail_id : undefined;
  const asked = path.startsWith("/api/v1/mail/") ? params?.["id"] : undefined;
  const id = made ?? asked;
  return typeof id === "string" && uuidPattern.test(id) ? id : null;
}
