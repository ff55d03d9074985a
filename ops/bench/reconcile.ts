/** Whether mail was lost or doubled on its way: by the ids of all, not by how many there are. */

export interface Passed {
  /** By the replies. */
  accepted: readonly string[];
  /** In the database, as sent. */
  sent: readonly string[];
  /** At the provider, once for each time. */
  arrived: readonly string[];
}

/** @throws unless what was accepted is in the database as sent, and came to the provider, each mail once and no other. */
export function reconcile({ accepted, sent, arrived }: Passed): void {
  const faults = [
    ...twice(accepted, "were accepted twice"),
    ...missing(accepted, sent, "were accepted, and are not in the database as sent"),
    ...missing(sent, accepted, "are in the database, and nobody was told"),
    ...missing(accepted, arrived, "were accepted, and did not come to the provider"),
    ...missing(arrived, accepted, "came to the provider, and nobody was told"),
    ...twice(arrived, "came to the provider twice"),
  ];
  if (faults.length > 0) throw new Error(`Of ${accepted.length} mails, ${faults.join("; ")}`);
}

function missing(these: readonly string[], there: readonly string[], what: string): string[] {
  const found = new Set(there);
  return said(
    these.filter((id) => !found.has(id)),
    what,
  );
}

function twice(ids: readonly string[], what: string): string[] {
  const seen = new Set<string>();
  return said(
    ids.filter((id) => seen.size === seen.add(id).size),
    what,
  );
}

const said = (ids: readonly string[], what: string): string[] =>
  ids.length === 0 ? [] : [`${ids.length} ${what}, such as ${ids[0]}`];
