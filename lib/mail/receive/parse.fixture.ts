/** Messages parsed without a database, and their attachments kept in memory. */
import { buffer } from "node:stream/consumers";
import { stagedBytes, type StagedPieces } from "../../resources/staged-content.ts";
import { parseMessage, type ParsedMessage } from "./parse.ts";

/** What a message has, in a shape that can be compared. */
export interface Found {
  text: string | undefined;
  html: string | undefined;
  files: { name: unknown; content: string }[];
  isIncomplete: boolean;
}

export async function parsed(slices: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<ParsedMessage> {
  return await parseMessage(each(slices), { stage, signal: new AbortController().signal, sizeBytes: 2 ** 20 });
}

export async function found(slices: Iterable<Buffer>): Promise<Found> {
  const { text, html, attachments, isIncomplete } = await parsed(slices);
  const files = attachments.map(({ headers, content: { source } }) => {
    const type = headers.get("content-type") as { value: string } | undefined;
    return { name: type?.value, content: source.toString("latin1") };
  });
  return { text, html, files, isIncomplete };
}

async function stage(content: AsyncIterable<Buffer>): Promise<StagedPieces> {
  return { ...stagedBytes(await buffer(content)), async [Symbol.asyncDispose]() {} };
}

/** As a spool gives them: the next one comes where the last one was. */
async function* each(slices: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const slice of slices) {
    const passing = Buffer.from(slice);
    yield passing;
    passing.fill("-");
  }
}

/** A message in slices of so many bytes. */
export function* cut(message: Buffer, bytes: number): Generator<Buffer> {
  for (let at = 0; at < message.length; at += bytes) yield message.subarray(at, at + bytes);
}
