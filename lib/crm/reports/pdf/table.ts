/** A table that goes over as many pages as it needs, with its head on each. */
import { figure } from "../figures.ts";
import type { Column, ColumnKind, Row } from "../report.ts";
import { pageText } from "../text-in.ts";
import { gray, lineGray, type Paper } from "./paper.ts";

const size = 9;
/** Noto Sans TC's own, for its size. */
const lineHeight = 13.04;
const [padX, padY] = [5, 3];
const mostLines = 4;
/** A text that is longer than four lines of the widest column is not laid out to its end. */
const mostLength = 400;

/** How wide columns are, one against another. */
const weights: Readonly<Record<ColumnKind, number>> = { text: 2.6, integer: 1, percent: 1, money: 1.3, date: 1.2 };

interface Place {
  readonly x: number;
  readonly width: number;
  readonly kind: ColumnKind;
}

export class Table {
  readonly #paper: Paper;
  readonly #titles: readonly string[];
  readonly #places: readonly Place[];
  #rows = 0;

  constructor(paper: Paper, columns: readonly Column[]) {
    this.#paper = paper;
    this.#titles = columns.map(({ title }) => pageText(title, mostLength));
    const sum = columns.reduce((total, { kind }) => total + weights[kind], 0);
    let x = paper.left;
    this.#places = columns.map(({ kind }) => {
      const place = { x, width: (paper.width * weights[kind]) / sum, kind };
      x += place.width;
      return place;
    });
  }

  /** Writes the head, on the next page when no row would fit below it. */
  begin(): void {
    if (this.#paper.room < this.#headHeight() + mostLines * lineHeight) this.#paper.turn();
    this.#head();
  }

  /** Writes a row; true when a page was full before it. */
  add(row: Row): boolean {
    const texts = this.#places.map(({ kind }, at) => {
      const text = figure(row[at] ?? null, kind);
      return kind === "text" ? pageText(text, mostLength) : pageText(text, 60);
    });
    const height = this.#height(texts);
    const turns = this.#paper.room < height;
    if (turns) {
      this.#paper.turn();
      this.#head();
    }
    if (this.#rows++ % 2 === 1) this.#shade(height, "#f6f8fa");
    this.#write(texts, height, "#1f2328");
    return turns;
  }

  /** Says that there are no rows when there were none. */
  end(): void {
    if (this.#rows > 0) return;
    this.#paper.line("沒有資料", { y: this.#paper.y + padY, size, color: gray, align: "center" });
    this.#paper.y += lineHeight + 2 * padY;
  }

  #headHeight(): number {
    this.#paper.doc.font("bold").fontSize(size);
    return this.#height(this.#titles);
  }

  #head(): void {
    const height = this.#headHeight();
    this.#shade(height, "#e8eef4");
    this.#write(this.#titles, height, "#1f2328");
    this.#paper.doc.font("regular").fontSize(size);
  }

  /** How high a row of these texts is, in the font that is set. */
  #height(texts: readonly string[]): number {
    const { doc } = this.#paper;
    const lines = this.#places.map(({ width }, at) => {
      const text = texts[at] ?? "";
      const room = width - 2 * padX;
      if (doc.widthOfString(text) <= room) return 1;
      return Math.min(mostLines, Math.round(doc.heightOfString(text, { width: room }) / lineHeight));
    });
    return Math.max(1, ...lines) * lineHeight + 2 * padY;
  }

  #shade(height: number, color: string): void {
    const { doc, left, width, y } = this.#paper;
    doc.rect(left, y + 0.25, width, height - 0.25).fill(color); // Below the line that is there.
  }

  #write(texts: readonly string[], height: number, color: string): void {
    const { doc, left, width } = this.#paper;
    const y = this.#paper.y + padY;
    doc.fillColor(color);
    for (const [at, place] of this.#places.entries()) {
      const isText = place.kind === "text" || place.kind === "date";
      doc.text(texts[at] ?? "", place.x + padX, y, {
        width: place.width - 2 * padX,
        height: height - padY,
        align: isText ? "left" : "right",
        ellipsis: "…",
      });
    }
    this.#paper.y += height;
    doc.moveTo(left, this.#paper.y).lineTo(left + width, this.#paper.y);
    doc.lineWidth(0.5).strokeColor(lineGray).stroke();
  }
}
