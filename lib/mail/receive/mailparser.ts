/** mailparser, with its costly parts left out, and what it would lose kept. */
import { BareParser, type HeaderLine, type Headers, type TreePart } from "./bare-parser.ts";
import { widenBoundaries, type SplitNode } from "./boundaries.ts";
import { encodedHeader, isUnsaid } from "./charset.ts";
import { decodingOf, type KnownCharsets } from "./decodings.ts";
import { htmlOf } from "./html.ts";
import type { Piece } from "./split.ts";
import type { TextForm } from "./text.ts";

/** A header as mailparser makes it of its line; those of structure have parameters. */
export interface Structured {
  value: string;
  params: Readonly<Record<string, string>>;
}

export interface ParsedAddress {
  address?: string;
  name?: string;
  group?: ParsedAddress[];
}

export interface ParsedAddresses {
  value: ParsedAddress[];
}

/** What is read of the headers; the others are half of the work. */
const readHeaders: ReadonlySet<string> = new Set([
  "from",
  "to",
  "cc",
  "reply-to",
  "subject",
  "content-type",
  "content-disposition",
  "content-id",
]);

/** A part gets its content past mailparser's streams. */
const noDecoder = { on() {} };

function forgetHead(node: SplitNode, part: TreePart): void {
  node.headers = true;
  node["_headersLines"] = [];
  part.headerLines = [];
}

/** Its ways with heads, with the tree of parts, and with the texts of a message. */
export class Parser extends BareParser {
  /** Multiparts that have something in them besides their parts. */
  readonly #withContent = new Set<unknown>();
  #hasLostLines = false;
  /** Of plain texts. */
  readonly #written = new Map<string, string>();

  constructor() {
    super();
    widenBoundaries(this.splitter);
  }

  /** Whether something of the message is in none of its parts: where a part begins or ends could not be told. */
  get isIncomplete(): boolean {
    return this.#hasLostLines || (this.tree !== false && this.#hasLostContent(this.tree));
  }

  /** The headers of the message itself. */
  get messageHeaders(): Headers {
    return this.tree === false ? new Map() : this.tree.headers;
  }

  /** Takes in a part. */
  begin(node: SplitNode): TreePart {
    node.getDecoder = () => noDecoder;
    const part = this.createNode(node);
    // Of the message itself they are looked at later; of 2000 parts they may be all of its megabytes, line by line.
    if (node.parentNode) forgetHead(node, part);
    if (part.isAttachment === false) {
      if (part.contentType === "text/html") this.hasHtml = true;
      else this.hasText = true;
    }
    return part;
  }

  /** Takes note of what no part takes: what stands between parts, and what comes after a part has ended. */
  passBy(piece: Exclude<Piece, { type: "node" }>): void {
    if (piece.type === "body") {
      this.#hasLostLines ||= /\S/.test(piece.bytes.toString("latin1"));
    } else if (piece.node.multipart && !this.#withContent.has(piece.node)) {
      if (/^(?!--).*\S/m.test(piece.bytes.toString("latin1"))) this.#withContent.add(piece.node);
    }
  }

  textForm({ node, charset }: TreePart): TextForm {
    const known: KnownCharsets = (name) => this.decoder.decodeStream(name);
    return {
      decoding: isUnsaid(charset) ? undefined : decodingOf(charset ?? "", known),
      flow: node.flowed ? { delSp: node.delSp } : undefined,
    };
  }

  /** The type of an attachment: where its head says nothing, that of its name. */
  typeOf({ node, contentType }: TreePart): string | undefined {
    const byName = contentType === "application/octet-stream" && node.filename;
    return (byName && this.libmime.detectMimeType(byName)) || contentType || undefined;
  }

  override processHeaders(lines: HeaderLine[]): Headers {
    // No header: what was to be the content of a part, without the empty line before it.
    if (lines.some(({ line }) => line.trim() !== "" && !line.includes(":"))) this.#hasLostLines = true;
    const wanted = lines.filter(({ key }) => readHeaders.has(key));
    return super.processHeaders(wanted.map(({ key, line }) => ({ key, line: encodedHeader(line) })));
  }

  /** Made of every address, and asked for by nobody. */
  override getAddressesHTML(): string {
    return "";
  }

  override getAddressesText(): string {
    return "";
  }

  /**
   * Writes html for plain text beside html that is no alternative to it, such as a mailing list's footer: without it
   * that would go. mailparser itself would do it in one turn.
   */
  async writeHtml(part = this.tree): Promise<void> {
    if (!part || !this.hasHtml || part.contentType === "multipart/alternative") return;
    const { textContent, contentType, children } = part;
    if (textContent && contentType !== "text/html") {
      this.#written.set(textContent, await htmlOf(textContent.trim()));
    }
    for (const child of children) await this.writeHtml(child);
  }

  /** It also asks for a page of all that is text, which nobody else does. */
  override textToHtml(text: string): string {
    return this.text === false ? (this.#written.get(text) ?? "") : "";
  }

  #hasLostContent({ node, children }: TreePart): boolean {
    if (children.length === 0) return this.#withContent.has(node);
    return children.some((child) => this.#hasLostContent(child));
  }
}
