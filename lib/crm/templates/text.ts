/**
 * How LINE counts characters: UTF-16 code units, but grapheme clusters in the labels of actions and in the titles and
 * texts of template messages. https://developers.line.biz/en/docs/messaging-api/text-character-count/
 */

const segmenter = new Intl.Segmenter();

/** Whether there are at most so many grapheme clusters. A long text costs no more than a short one. */
export function fitsGraphemes(text: string, most: number): boolean {
  if (text.length <= most) return true;
  let count = 0;
  for (const _ of segmenter.segment(text.slice(0, most * longestCluster))) if (++count > most) return false;
  return text.length <= most * longestCluster;
}

/** Code units of a cluster that somebody may mean: a family of four has 11. Some marks may be piled up without end. */
const longestCluster = 20;

/** Whether there are at most so many code points, which is what PostgreSQL counts. */
export function fitsCodePoints(text: string, most: number): boolean {
  return text.length <= most || (text.length <= most * 2 && [...text].length <= most);
}

/** At most so many code units, without half of a character at the end. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text;
  let end = 0;
  for (const { index, segment } of segmenter.segment(text.slice(0, most))) {
    // The last one may go on beyond the cut.
    if (index + segment.length < most) end = index + segment.length;
  }
  return text.slice(0, end) || text.slice(0, most).toWellFormed();
}

/** An address as LINE wants it: percent-encoded. One that is so already stays as it was written. */
export function encodedUrl(url: string): string {
  return /^[\u0021-\u007e]+$/.test(url) ? url : new URL(url).href;
}
