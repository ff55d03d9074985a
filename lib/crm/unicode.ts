import type { Detail } from "../../runtime/problem.ts";

/** What no database takes as text, by field: NUL, and halves of characters. */
export function unicodeFaults(fields: Readonly<Record<string, string | null | undefined>>): Detail[] {
  return Object.entries(fields).flatMap(([field, text]) =>
    !text || (text.isWellFormed() && !text.includes("\u0000")) ? [] : [{ field, message: "must be valid Unicode" }],
  );
}
