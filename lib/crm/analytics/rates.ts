/** Rates and changes, as numbers of percent with one decimal. */

/** How many of the sent, of a hundred. Nothing sent: 0. */
export function rate(count: number, sent: number): number {
  return sent > 0 ? oneDecimal((100 * count) / sent) : 0;
}

/** How much more, or less, than before, of a hundred. Null where there was nothing to compare with. */
export function change(now: number, before: number): number | null {
  return before > 0 ? oneDecimal((100 * (now - before)) / before) : null;
}

/** Halves go up; a small loss is 0 and not -0, which JSON does not know. */
export function oneDecimal(value: number): number {
  return Math.round(value * 10) / 10 + 0;
}
