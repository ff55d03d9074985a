/** Pages of a document: where the next thing goes, and what stands on each of them. */
import { setImmediate } from "node:timers/promises";
import type { Font } from "fontkit";
import { openFonts } from "../../../resources/fonts.ts";

/** The edges that stay empty, in points. */
const [marginX, marginTop, marginBottom] = [40, 56, 48];

declare global {
  namespace PDFKit.Mixins {
    interface PDFFont {
      /** A font that fontkit has read (pdfkit 0.19), under a name; its types do not know that yet. */
      font(font: Font, name: string): this;
    }
  }
}

export const gray = "#707070";
export const lineGray = "#d0d7de";

export interface PaperOptions {
  readonly title: string;
  readonly period: string;
  readonly layout: "portrait" | "landscape";
}

export class Paper {
  readonly doc: PDFKit.PDFDocument;
  /** Where the next thing begins, from the top of the page. */
  y = 0;
  readonly #options: PaperOptions;
  #pages = 0;

  private constructor(doc: PDFKit.PDFDocument, options: PaperOptions) {
    this.doc = doc;
    this.#options = options;
  }

  /** Loads what writes PDF (35 MB of memory), which only a process that does so needs. */
  static async make(options: PaperOptions): Promise<Paper> {
    const { default: PDFDocument } = await import("pdfkit");
    const { title, layout } = options;
    const doc = new PDFDocument({
      size: "A4",
      layout,
      margin: 0,
      autoFirstPage: false,
      font: "", // None until ours are there.
      fontLayoutCache: false,
      lang: "zh-TW",
      info: { Title: title },
    });
    const { regular, bold } = await openFonts();
    doc.font(bold, "bold").font(regular, "regular");
    const paper = new Paper(doc, options);
    paper.turn();
    return paper;
  }

  get left(): number {
    return marginX;
  }

  get width(): number {
    return this.doc.page.width - 2 * marginX;
  }

  /** How much of this page is left. */
  get room(): number {
    return this.doc.page.height - marginBottom - this.y;
  }

  /** How much a page holds that has nothing but its head and foot. */
  get roomOfPage(): number {
    return this.doc.page.height - marginBottom - marginTop;
  }

  /** Begins the next page. */
  turn(): void {
    this.doc.addPage();
    this.#pages++;
    const { title, period } = this.#options;
    const { height } = this.doc.page;
    this.line(`第 ${this.#pages} 頁`, { y: height - 32, size: 8, color: gray, align: "center" });
    if (this.#pages === 1) {
      this.line(title, { y: 40, size: 18, font: "bold" });
      this.line(period, { y: 68, size: 10, color: gray });
      this.y = 96;
      return;
    }
    this.line(title, { y: 30, size: 8, color: gray });
    this.line(period, { y: 30, size: 8, color: gray, align: "right" });
    this.y = marginTop;
  }

  /** Writes one line, shortened to the width that it has. */
  line(text: string, options: LineOptions): void {
    const { x = this.left, y, width = this.width, size, font = "regular", color = "#1f2328", align = "left" } = options;
    this.doc.font(font).fontSize(size).fillColor(color);
    this.doc.text(text, x, y, { width, height: size * 1.2, align, ellipsis: "…", lineGap: 0 });
  }

  /** What has been written since the last time; others get a turn before it comes. */
  async *pieces(): AsyncGenerator<Buffer> {
    await setImmediate();
    const piece: unknown = this.doc.read();
    if (Buffer.isBuffer(piece)) yield piece;
  }

  /** Ends the document: the rest of it. */
  async *end(): AsyncGenerator<Buffer> {
    this.doc.end();
    for await (const piece of this.doc) if (Buffer.isBuffer(piece)) yield piece;
  }
}

export interface LineOptions {
  readonly x?: number;
  readonly y: number;
  readonly width?: number;
  readonly size: number;
  readonly font?: "regular" | "bold";
  readonly color?: string;
  readonly align?: "left" | "right" | "center";
}
