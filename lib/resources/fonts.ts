/** The typeface of documents that are made here: Noto Sans TC (SIL Open Font License), which has Traditional Chinese. */
import { createRequire } from "node:module";
import type { Font, Glyph } from "fontkit";

const { resolve } = createRequire(import.meta.url);

/** Reads both weights, of 7 MB each; whoever asks keeps them as long as needed. */
export async function openFonts(): Promise<{ regular: Font; bold: Font }> {
  const [regular, bold] = await Promise.all(["400Regular", "700Bold"].map(openFont));
  if (!regular || !bold) throw new Error("A font is missing");
  return { regular, bold };
}

async function openFont(weight: string): Promise<Font> {
  const { open } = await import("fontkit");
  const font = await open(resolve(`@expo-google-fonts/noto-sans-tc/${weight}/NotoSansTC_${weight}.ttf`));
  if (!("layout" in font)) throw new Error("A collection of fonts is no font");
  return withPlainLayout(font);
}

/**
 * Puts one glyph after another, as Chinese is set; without this typeface's kerning and ligatures, which are for Latin
 * only. A table of 50,000 rows takes 21 s so, and 177 s by fontkit's own way; pdfkit's memory of that way's results is
 * as fast, but grows by 10 KB with each text.
 */
function withPlainLayout(font: Font): Font {
  const blank = font.layout("");
  const known = new Map<string, Glyph>();
  const glyphOf = (character: string): Glyph => {
    const glyph = known.get(character) ?? font.glyphForCodePoint(character.codePointAt(0) ?? 0);
    known.set(character, glyph);
    return glyph;
  };
  font.layout = (text) => {
    const glyphs = Array.from(text, glyphOf);
    const positions = glyphs.map((glyph) => ({ xAdvance: glyph.advanceWidth, yAdvance: 0, xOffset: 0, yOffset: 0 }));
    const advanceWidth = glyphs.reduce((sum, glyph) => sum + glyph.advanceWidth, 0);
    return { ...blank, glyphs, positions, advanceWidth };
  };
  return font;
}
