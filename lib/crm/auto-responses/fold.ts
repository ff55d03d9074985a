/** Texts as keywords are compared: full-width is half-width, capitals are small, a gap is one space. */
export function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase().normalize("NFKC").replaceAll(/\s+/g, " ").trim();
}
