/** Schemas for texts: what a database stores and a page shows as it was given. */
import { Type } from "typebox";
import { hasControls } from "./mail/address.ts";

/**
 * One line, such as a name: text without control characters (PostgreSQL takes no NUL, and a log or a header no line break) that is Unicode all
 * through, and not blank unless `minLength` is 0.
 */
export function PlainText(options: { minLength?: number; maxLength: number; pattern?: string; description?: string }) {
  const { minLength = 1 } = options;
  const fault = (text: string) => {
    if (hasControls(text)) return "must not contain control characters";
    if (!text.isWellFormed()) return "must be valid Unicode";
    return minLength > 0 && text.trim() === "" ? "must not be blank" : "";
  };
  return Type.Refine(Type.String({ minLength, ...options }), (text) => fault(text) === "", fault);
}

/** Text of any number of lines, without what no database takes: NUL, and halves of characters. */
export function LongText(options: { maxLength: number; description?: string }) {
  const isStorable = (text: string) => text.isWellFormed() && !text.includes("\u0000");
  return Type.Refine(Type.String(options), isStorable, () => "must be valid Unicode without NUL");
}
