/** What scripts tell the outcomes of a deploy apart by: exit codes. */
export const exits = {
  /** Nothing has this name. */
  unknown: 10,
  /** The end of a name that several functions have. */
  ambiguous: 11,
  /** It does not build or load here, or does not fit the other functions. */
  faulty: 12,
  /** Processes of the fleet refuse it. */
  refused: 13,
  /** Somebody else deploys it at this moment. */
  busy: 14,
  /** There is nothing to promote, or to go back to. */
  nothing: 15,
  /** It runs, but not everywhere. */
  partial: 16,
  /** EX_UNAVAILABLE of sysexits.h: the database is away. */
  away: 69,
} as const;
