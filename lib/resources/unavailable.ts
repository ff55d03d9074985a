/** Tells "PostgreSQL is away" and "PostgreSQL took too long" from every other error. */

const networkCodes = new Set(
  "ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH EHOSTDOWN ENOTFOUND EAI_AGAIN".split(
    " ",
  ),
);

/** What `pg` says, without a code, of a connection that ended, never came about, or no longer answers. */
const pgSays =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

/**
 * Whether the error, or one that caused it, means that the database could not be reached or went away: try again later.
 * A statement that was under way may or may not have been committed. A statement's own time limit does not count.
 */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (networkCodes.has(code)) return true;
  // A unix socket that is not there, or whose queue is full.
  if ((code === "ENOENT" || code === "EAGAIN") && "syscall" in error && error.syscall === "connect") return true;
  // 57P01-3 shutdown, crash, starting up; 08 connection; 53300 too many connections.
  if (/^(57P0[1-3]|08...|53300)$/.test(code)) return true;
  if (code === "" && pgSays.test(error.message)) return true;
  return error.cause !== undefined && isUnavailable(error.cause);
}

/** Whether a statement was ended (57014), as it is at its time limit: what it asks for, or waits for, takes too long. */
export function isOverdue(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ("code" in error && error.code === "57014") || isOverdue(error.cause);
}
