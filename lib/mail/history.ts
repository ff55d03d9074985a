/** The mails of a client, or of all, newest first. */
import type { Context } from "../../runtime/context.ts";
import { problems } from "../../runtime/problem.ts";
import type { Caller } from "../auth/caller.ts";
import { permissionDenied } from "../auth/problems.ts";
import { pageOf } from "../paging.ts";
import { selectHistory, type HistoryAnswer, type HistoryRow, type Start } from "./history.sql.ts";
import type { MailStatus } from "./mail.ts";

export interface HistoryQuery {
  limit: number;
  /** From 1; the first without page and cursor. */
  page?: number;
  /** The `next_cursor` of an earlier reply. */
  cursor?: string;
  status?: MailStatus;
  client_id?: string;
}

export interface History {
  /** All mails that the query selects, on whatever page. */
  total: number;
  /** Null where a cursor was followed. */
  page: number | null;
  limit: number;
  data: HistoryEntry[];
  /** Null at the end. */
  next_cursor: string | null;
}

/** Times are ISO 8601. */
export interface HistoryEntry {
  id: string;
  from: string;
  to: string[];
  subject: string;
  status: MailStatus;
  created_at: string;
  sent_at: string | null;
}

/** How many mails a page may skip. Finding its place takes up to 100 ms there, and ten times as long at ten times that. */
const mostSkipped = 100_000;

/**
 * A page of the caller's mails; for an admin of everyone's, or of the client that the query names. Following
 * `next_cursor` gives every mail that was there at the start once, whatever is added meanwhile; pages shift.
 *
 * Throws `permission_denied` for a client that asks for another's, `invalid_request` for a page too deep and for a
 * cursor that is none or comes with a page.
 */
export async function readHistory(ctx: Pick<Context, "db">, query: HistoryQuery, caller: Caller): Promise<History> {
  const { page, limit, offset } = pageOf({ page: query.page ?? 1, limit: query.limit });
  const start = query.cursor === undefined ? { after: offset } : placeOf(query);
  if (offset > mostSkipped) throw refused("page", `skips more than ${mostSkipped} mails; follow next_cursor instead`);
  const selection = { clientId: whose(query, caller), status: query.status };
  // One more than is shown tells whether there is more.
  const { text, values } = selectHistory(selection, start, limit + 1);
  const { rows } = await ctx.db.query<HistoryAnswer>(text, values);
  const found = rows.filter((row) => row.id !== null);
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return {
    total: rows[0]?.total ?? 0,
    page: query.cursor === undefined ? page : null,
    limit,
    data: shown.map(entry),
    next_cursor: last && found.length > limit ? cursorAt(last) : null,
  };
}

/** The client whose mails are read; undefined: everyone's. */
function whose({ client_id: asked }: HistoryQuery, caller: Caller): string | undefined {
  if (caller.may("admin")) return asked;
  if (asked === undefined || asked === caller.clientId) return caller.clientId;
  throw permissionDenied({ message: "Only an admin may read the history of another client" });
}

function entry(row: HistoryRow): HistoryEntry {
  return {
    id: row.id,
    from: row.from_address,
    to: row.to_addresses,
    subject: row.subject,
    status: row.status,
    created_at: row.created_at.toISOString(),
    sent_at: row.sent_at?.toISOString() ?? null,
  };
}

/**
 * A cursor is the moment (microseconds since 1970, 64 bits) and the id of the last mail shown, in base64url. It opens
 * nothing: whoever makes one up starts at another place among the mails he may read anyway.
 */
function cursorAt({ created_us: createdUs, id }: HistoryRow): string {
  const bytes = Buffer.alloc(24);
  bytes.writeBigInt64BE(BigInt(createdUs));
  bytes.write(id.replaceAll("-", ""), 8, "hex");
  return bytes.toString("base64url");
}

/** The end of the year 9999, past which no mail was made. */
const lastUs = 253_402_300_800_000_000n;

function placeOf({ cursor = "", page }: HistoryQuery): Start {
  if (page !== undefined) throw refused("cursor", "cannot be followed together with a page");
  const bytes = Buffer.from(cursor, "base64url");
  const createdUs = bytes.length === 24 ? bytes.readBigInt64BE() : -1n;
  if (bytes.toString("base64url") !== cursor || createdUs < 0n || createdUs > lastUs) {
    throw refused("cursor", "must be the next_cursor of an earlier reply");
  }
  const id = bytes.toString("hex", 8).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  return { createdUs: String(createdUs), id };
}

function refused(field: string, message: string) {
  return problems.invalidRequest({ details: [{ field, message }], message: `${field} ${message}` });
}
