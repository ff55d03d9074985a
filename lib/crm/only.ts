/**
 * What has these names of what a client sent, and nothing that it added to that: an object of JSON may have anything,
 * also what is ours to set, and as deep as it likes.
 */
export function only<T extends object, K extends keyof T>(given: T, names: readonly K[]): Pick<T, K> {
  const known = names.filter((name) => Object.hasOwn(given, name)).map((name) => [name, given[name]] as const);
  return Object.fromEntries(known) as Pick<T, K>;
}
