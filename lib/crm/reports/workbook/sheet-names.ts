/** Names of sheets as Excel allows them: 1 to 31 characters, none of `\ / ? * : [ ]`, no apostrophe around, no two alike. */
import { cut, plain } from "../text-in.ts";

const mostLength = 31;

export class SheetNames {
  readonly #taken = new Set<string>(["history"]); // Excel keeps this one for itself.

  /** A name that is like what is wanted, with a number when that is taken. */
  next(wanted: string): string {
    const legal = plain(wanted)
      .replaceAll(/[\\/?*:[\]]/g, " ")
      .replaceAll(/\s+/g, " ")
      .replaceAll(/^[' ]+|[' ]+$/g, "");
    const base = legal === "" ? "Sheet" : legal;
    for (let number = 1; ; number++) {
      const suffix = number === 1 ? "" : ` (${number})`;
      const name = cut(base, mostLength - suffix.length) + suffix;
      if (this.#taken.has(name.toLowerCase())) continue;
      this.#taken.add(name.toLowerCase());
      return name;
    }
  }
}
