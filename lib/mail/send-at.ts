/** When a mail is to be sent, as its client says it. */

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/** How far in the past a time may be: so much a client's clock may be slow. */
const forgivenMs = 60_000;

/** The time that an RFC 3339 text with an offset names, or what is wrong with it. At most a year ahead of `now`. */
export function parseSendAt(text: string, now: Date): Date | string {
  // Checked before it is parsed: without an offset it would be read as local time, without a time as midnight.
  const time = new Date(rfc3339.test(text) ? text : Number.NaN);
  if (Number.isNaN(time.getTime())) {
    return "must be a time of RFC 3339 with an offset, such as 2026-01-20T10:05:00+08:00";
  }
  if (time.getTime() < now.getTime() - forgivenMs) return "is more than a minute in the past";
  const latest = new Date(now);
  latest.setUTCFullYear(latest.getUTCFullYear() + 1);
  return time > latest ? "is more than a year ahead" : time;
}
