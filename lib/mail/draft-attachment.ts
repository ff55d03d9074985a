/** Attachments as they come in a request: names made safe, content decoded, sizes checked. */
import type { Detail } from "../../runtime/problem.ts";
import { stagedBytes, type StagedContent, type StagedFile } from "../resources/staged-content.ts";
import { hasControls } from "./address.ts";
import { attachmentTooLarge } from "./problems.ts";

export interface DraftAttachment {
  /** As the sender named it. */
  readonly filename: string;
  /** Under which it is stored: safe, and different from the others of its mail. */
  readonly storedAs: string;
  readonly contentType: string | undefined;
  /** Of a picture that the html shows: its name there, after `cid:`. */
  readonly contentId?: string;
  readonly content: StagedContent;
}

/** Finds the file that content was received into, when it was too large for memory and a name stands in its place. */
export type LargeContent = (text: string) => StagedFile | undefined;

const longestName = 255;
const typePattern = /^[\w.+-]+\/[\w.+-]+(?: *; *[\w.+-]+=(?:[\w.+-]+|"[^"\r\n]*"))*$/;

/**
 * Decodes and checks. Adds what is wrong to `faults`; throws `attachment_too_large` with the file's name. The size is
 * known from the length of the base64, before anything is decoded.
 */
export function checkAttachments(
  given: readonly { filename: string; content: string; content_type?: string }[],
  maxBytes: number,
  faults: Detail[],
  large: LargeContent = () => undefined,
): DraftAttachment[] {
  const stored = storedNames();
  const drafts: DraftAttachment[] = [];
  given.forEach(({ filename, content, content_type: contentType }, index) => {
    const fault = (field: string, message: string) => faults.push({ field: `attachments[${index}].${field}`, message });
    const before = faults.length;
    if (filename.trim() === "") fault("filename", "must not be empty");
    if (hasControls(filename)) fault("filename", "must not contain control characters");
    if (filename.length > longestName) fault("filename", `is longer than ${longestName} characters`);
    if (!filename.isWellFormed()) fault("filename", "is not valid Unicode");
    if (
      contentType !== undefined &&
      contentType !== "" &&
      (contentType.length > 255 || !typePattern.test(contentType))
    ) {
      fault("content_type", "must be a media type, such as application/pdf");
    }
    const received = large(content) ?? new TextContent(content);
    if (received.sizeBytes > maxBytes) {
      const name = hasControls(filename) ? "attachment" : filename.slice(0, longestName);
      throw attachmentTooLarge({ message: `${name} exceeds maximum size of ${Math.round(maxBytes / 2 ** 20)}MB` });
    }
    if (!received.isBase64) fault("content", "is not valid base64");
    if (faults.length > before) return;
    drafts.push({
      filename,
      storedAs: stored.take(filename),
      contentType: contentType || undefined,
      content: received instanceof TextContent ? received.decoded() : received,
    });
  });
  return drafts;
}

/** Names for the files of one mail: safe, and each another. */
export function storedNames() {
  const taken = new Set<string>();
  return {
    take(filename: string): string {
      const name = unique(safeName(filename), taken);
      taken.add(name.toLowerCase());
      return name;
    },
  };
}

/** Base64 in memory; line breaks in it are nothing. */
class TextContent {
  readonly #packed: string;

  constructor(base64: string) {
    this.#packed = /[\r\n]/.test(base64) ? base64.replaceAll(/[\r\n]/g, "") : base64;
  }

  get sizeBytes(): number {
    return decodedLength(this.#packed);
  }

  get isBase64(): boolean {
    return this.#packed.length % 4 === 0 && /^[A-Za-z\d+/]*={0,2}$/.test(this.#packed);
  }

  decoded(): StagedContent {
    return stagedBytes(Buffer.from(this.#packed, "base64"));
  }
}

function decodedLength(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

/** Names that Windows keeps for devices, with any extension. */
const reserved = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** A name that is safe in any file system: no separators, no device names, no leading dot, at most 150 bytes. */
export function safeName(filename: string): string {
  const plain = filename
    .normalize("NFC")
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069<>:"/\\|?*]/g, "_")
    .replace(/^[.\s]+/, "_")
    .replace(/[.\s]+$/, "");
  const dot = plain.lastIndexOf(".");
  const extension = dot > 0 && plain.length - dot <= 16 ? plain.slice(dot) : "";
  const stem = shorten(plain.slice(0, plain.length - extension.length) || "_", 150 - Buffer.byteLength(extension));
  // Where it was cut may be behind a dot or a space: Windows drops those at a name's end.
  const name = (stem + extension).replace(/[.\s]+$/, "");
  return reserved.test(name) ? `_${name}` : name;
}

/** Cuts to a number of UTF-8 bytes, between characters. */
function shorten(text: string, bytes: number): string {
  let kept = "";
  let size = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    kept += character;
  }
  return kept;
}

function unique(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name.toLowerCase())) return name;
  const dot = name.lastIndexOf(".");
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  for (let number = 2; ; number++) {
    const candidate = `${stem}-${number}${extension}`;
    if (!taken.has(candidate.toLowerCase())) return candidate;
  }
}
