/** mailparser, with its costly parts off, and what it would lose kept. */
import type { Readable, Transform } from "node:stream";
import { MailParser } from "mailparser";
import { widenBoundaries, type Splitter } from "./boundaries.ts";
import { decoderOf, encodedHeader, inUtf8, isUnsaid, WholeText } from "./charset.ts";
import { Base64Decoder, decodeBase64, decodeQuotedPrintable, QuotedPrintableDecoder } from "./decoders.ts";

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

/** Of those that occur several times, a list. */
export type Headers = ReadonlyMap<string, unknown>;

export interface AttachmentPart {
  type: "attachment";
  contentType: string | false;
  filename?: string;
  /** Without its brackets. */
  cid?: string;
  headers: Headers;
  content: Readable;
  /** The next part comes after this only. */
  release(): void;
}

export interface TextPart {
  type: "text";
  text?: string;
  html?: string;
}

/** A header as it came, unfolded: `Subject: …`, one character for each byte. */
export interface HeaderLine {
  key: string;
  line: string;
}

/** A part, or a piece of one; what is set here is what mailparser then goes by. */
interface Chunk {
  type: "node" | "body" | "data";
  contentType?: string | false;
  encoding?: string | false;
  disposition?: string | false;
  charset?: string | false;
  getDecoder?: () => Transform;
  /** Of a piece: the part that it belongs to. */
  node?: { multipart: string | false };
  value?: Buffer;
}

interface TreeNode {
  /** The splitter's. */
  node: unknown;
  children: TreeNode[];
}

/** What of mailparser is used beyond its documentation. Its version is pinned, and the corpus of ugly mail holds it to this. */
interface Internals {
  readonly hasHtml: boolean;
  readonly headerLines: HeaderLine[] | false;
  readonly tree: TreeNode | false;
  readonly splitter: Splitter;
  decoder: { decodeStream(charset: string): Transform };
  processChunk(chunk: Chunk, done: () => void): void;
  processHeaders(lines: HeaderLine[]): Headers;
  textToHtml(text: string): string;
  getAddressesHTML(): string;
  getAddressesText(): string;
}

const Base = MailParser as unknown as new (options: object) => Transform & Internals;

const options = {
  // Makes html mail 15 times as cheap.
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipTextLinks: true,
  skipImageLinks: true,
  keepCidLinks: true,
  // A message in a message stays a file.
  ignoreEmbedded: true,
  maxHeadSize: 256 * 1024,
  maxChildNodes: 2000,
  // The cheapest; nobody asks for it.
  checksumAlgo: "sha1",
};

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

/** What is text to mailparser, and no attachment. */
const shownTypes: ReadonlySet<string> = new Set(["text/plain", "text/html", "message/delivery-status"]);
const isInline = /^(?:inline)?$/;
const asItIs = (bytes: Buffer) => bytes;

export class Parser extends Base {
  /** Multiparts that have something in them besides their parts. */
  readonly #withContent = new Set<unknown>();
  #hasLostLines = false;

  constructor() {
    super(options);
    widenBoundaries(this.splitter);
    const known = this.decoder;
    this.decoder = { decodeStream: (charset) => decoderOf(charset, (name) => known.decodeStream(name)) };
  }

  /** Whether something of the message is in none of its parts: where a part begins or ends could not be told. */
  get isIncomplete(): boolean {
    return this.#hasLostLines || (this.tree !== false && this.#hasLostContent(this.tree));
  }

  override processChunk(chunk: Chunk, done: () => void): void {
    if (chunk.type === "node") {
      const encoding = /base64|quoted-printable/.exec(chunk.encoding || "")?.[0];
      if (encoding === "base64") chunk.getDecoder = () => new Base64Decoder();
      if (encoding === "quoted-printable") chunk.getDecoder = () => new QuotedPrintableDecoder();
      const isShown = shownTypes.has(chunk.contentType || "text/plain") && isInline.test(chunk.disposition || "");
      if (isShown && isUnsaid(chunk.charset)) {
        // mailparser would take it for UTF-8 as it is, and lose what is none.
        const decode = encoding === "base64" ? decodeBase64 : encoding ? decodeQuotedPrintable : asItIs;
        chunk.getDecoder = () => new WholeText((bytes) => inUtf8(decode(bytes)));
        chunk.charset = "utf-8";
      }
    } else if (chunk.node?.multipart && /^(?!--).*\S/m.test(chunk.value?.toString("latin1") ?? "")) {
      this.#withContent.add(chunk.node);
    }
    super.processChunk(chunk, done);
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

  /** For plain text beside html that is no alternative to it, such as a mailing list's footer: without this it would go. */
  override textToHtml(text: string): string {
    if (!this.hasHtml || text === "") return "";
    const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return `<p>${escaped.trim().replaceAll("\n", "<br/>\n")}</p>`;
  }

  #hasLostContent({ node, children }: TreeNode): boolean {
    if (children.length === 0) return this.#withContent.has(node);
    return children.some((child) => this.#hasLostContent(child));
  }
}
