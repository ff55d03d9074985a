/** What a search text looks for, in the terms of `member_search`. */

export interface Word {
  /** What the member's search text must contain. */
  needle: string;
  /** Pieces by which the index finds it: see `search_grams` in sql/0007_crm.sql. */
  grams: string[];
  /** Whether the pieces say it all, so that the text need not be looked at. */
  isExact: boolean;
}

const mostWords = 8;

/**
 * The words of a search, each of which must be in the member's name, e-mail address or phone: so 王 小明 and 小明 王 find
 * the same as 王小明. What looks like a phone number is looked for by its digits. One or two ASCII characters are looked
 * for at the beginning of a name or an address: anywhere, they are in nearly all.
 */
export function wordsOf(search: string): Word[] {
  const folded = search.normalize("NFKC").toLowerCase().trim();
  if (folded === "") return [];
  const texts = isPhone(folded) ? [folded] : folded.split(/\s+/).slice(0, mostWords);
  return texts.map((text) => wordOf(isPhone(text) ? digitsOf(text) : text));
}

/** A whole number of Taiwan without 0 or +886 before it, so that either finds the other. */
function digitsOf(phone: string): string {
  const digits = phone.replace(/\D/g, "");
  return digits.replace(/^(?:8860?|0)(?=\d{8,9}$)/, "");
}

/** Three digits at least, written as people write numbers. */
function isPhone(text: string): boolean {
  return /^\+?[\d\s()-]+$/.test(text) && text.replace(/\D/g, "").length > 2;
}

function wordOf(text: string): Word {
  const characters = [...text];
  const isAscii = characters.every(isAsciiCharacter);
  if (isAscii && characters.length < 3) return { needle: `\n${text}`, grams: [`\n${text}`], isExact: true };
  const whole = characters.length < 3 || (isAscii && characters.length === 3);
  return { needle: text, grams: whole ? [text] : pieces(characters), isExact: whole };
}

/** All pieces of a text that the index has. */
function pieces(characters: readonly string[]): string[] {
  const cut = (size: number) => characters.slice(size - 1).map((_, index) => characters.slice(index, index + size));
  const pairs = cut(2).filter((pair) => !pair.every(isAsciiCharacter));
  const triples = cut(3).filter((triple) => triple.every(isAsciiCharacter));
  return [...new Set([...pairs, ...triples].map((piece) => piece.join("")))];
}

const isAsciiCharacter = (character: string) => (character.codePointAt(0) ?? 0) < 0x80;
