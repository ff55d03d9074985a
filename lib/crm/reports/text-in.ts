/** Texts that people typed, made fit for a cell or a page. */

/** Excel's "specifications and limits": characters in a cell, which are UTF-16 units. */
const cellLength = 32_767;

/** What no file shows: control characters but line breaks and tabs, the marks that turn writing round, noncharacters. */
// oxlint-disable-next-line no-control-regex
const unseen = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g;

/**
 * A beginning that a spreadsheet takes for a formula (OWASP, CSV Injection), full-width forms included, with or without
 * space before it.
 */
const formula = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/u;

/** Emoji, which the font has not. */
const emoji = /\p{RGI_Emoji}/gv;

export function plain(text: string): string {
  return text.toWellFormed().replaceAll(unseen, "");
}

/**
 * A text for a cell. A typed text is no formula in a workbook, but it becomes one in the CSV that somebody saves the
 * sheet as: so one that begins like a formula gets an apostrophe, as OWASP advises.
 */
export function cellText(text: string): string {
  const clean = plain(text);
  return cut(formula.test(clean) ? `'${clean}` : clean, cellLength);
}

/** A text for a page: one paragraph, where a square stands for what the font has no picture of. */
export function pageText(text: string, length: number): string {
  return cut(plain(text).replaceAll(/\s+/g, " ").replaceAll(emoji, "□").trim(), length);
}

/** Shortens to so many UTF-16 units; the last is then an ellipsis. No character is cut in two. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
