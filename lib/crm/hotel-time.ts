/** The hotel's zone: its days, and its clock. It has no summer time. */

export const hotelZone = "Asia/Taipei";

const clock = new Intl.DateTimeFormat("en-GB", {
  timeZone: hotelZone,
  hour: "numeric",
  minute: "numeric",
  second: "numeric",
});

/** Seconds since the hotel's midnight. */
export function secondOfDay(at: Date): number {
  const part = new Map(clock.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  return (part.get("hour") ?? 0) * 3600 + (part.get("minute") ?? 0) * 60 + (part.get("second") ?? 0);
}
