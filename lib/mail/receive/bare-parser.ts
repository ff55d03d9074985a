/** mailparser without its streams: to make them takes longer than to parse a small message. */
import { MailParser } from "mailparser";
import type { SplitNode, Splitter } from "./boundaries.ts";
import type { KnownCharsets } from "./decodings.ts";

/** Of those headers that occur several times, a list. */
export type Headers = ReadonlyMap<string, unknown>;

/** A header as it came, unfolded: `Subject: …`, one character for each byte. */
export interface HeaderLine {
  key: string;
  line: string;
}

export interface Texts {
  text?: string;
  html?: string;
}

/** A part in the tree of parts. */
export interface TreePart {
  readonly node: SplitNode;
  readonly children: readonly TreePart[];
  readonly contentType: string | false;
  readonly headers: Headers;
  headerLines: readonly HeaderLine[];
  /** Undefined for a part that has parts. */
  readonly isAttachment?: boolean;
  readonly charset?: string;
  /** Of a part that is shown. */
  textContent?: string;
}

/** What of mailparser is used beyond its documentation. Its version is pinned, and the corpus of ugly mail holds it to this. */
interface Internals {
  hasHtml: boolean;
  hasText: boolean;
  readonly headerLines: HeaderLine[] | false;
  readonly tree: TreePart | false;
  readonly text: string | false;
  readonly splitter: Splitter;
  readonly decoder: { decodeStream: KnownCharsets };
  readonly libmime: { detectMimeType(filename: string): string | false };
  createNode(node: SplitNode): TreePart;
  getTextContent(): Texts;
  processHeaders(lines: HeaderLine[]): Headers;
  textToHtml(text: string): string;
  getAddressesHTML(): string;
  getAddressesText(): string;
}

const limits = { maxHeadSize: 256 * 1024, maxChildNodes: 2000 };
const options = {
  // Makes html mail 15 times as cheap.
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipTextLinks: true,
  skipImageLinks: true,
  keepCidLinks: true,
  // A message in a message stays a file.
  ignoreEmbedded: true,
  ...limits,
};

/** A whole one, for what it shares with all others. */
const model = new MailParser(options) as unknown as Internals & { textTypes: readonly string[] };
const { libmime, decoder, textTypes } = model;
const splitterMethods = Object.getPrototypeOf(model.splitter) as Splitter & { newNode(): void };

function bareSplitter(): Splitter {
  const splitter = Object.create(splitterMethods) as typeof splitterMethods;
  Object.assign(splitter, { config: options, ...limits, nodeCounter: 0, lineChunks: [], lineLength: 0 });
  splitter.newNode();
  return splitter;
}

/** With all that the constructor sets, but for what has to do with streams. */
function Bare(this: object): void {
  const nothingYet = { headers: false, headerLines: false, tree: false, curnode: false, text: false, html: false };
  const shared = { options, libmime, decoder, textTypes };
  Object.assign(this, shared, nothingYet, { hasHtml: false, hasText: false, splitter: bareSplitter() });
}
Bare.prototype = MailParser.prototype;

export const BareParser = Bare as unknown as new () => Internals;
