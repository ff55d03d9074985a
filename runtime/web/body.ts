/** Reads a JSON body within a limit. */
import { isUtf8 } from "node:buffer";
import { IncomingMessage } from "node:http";
import { problems } from "../problem.ts";
import type { Incoming } from "./incoming.ts";

export interface Body {
  bytes: Buffer;
  value: unknown;
}

const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** The client went away before its request was complete: there is nobody to answer. */
export class ClientGone extends Error {}

/**
 * Reads and parses the body of a request. Throws `unsupported_media_type`, `request_too_large` (as soon as that is
 * known: at the header, or a moment after the byte that passes `limit`) or `invalid_json`; `ClientGone` when the client left.
 */
export async function readJson(incoming: Incoming, limit: number): Promise<Body> {
  const type = incoming.header("content-type");
  if (type !== undefined && !jsonType.test(type)) throw problems.unsupportedMediaType();
  const announced = Number(incoming.header("content-length") ?? 0);
  if (announced > limit) throw tooLarge(limit);
  const { source } = incoming;
  const bytes = source instanceof IncomingMessage ? await readNode(source, limit) : await readWeb(source, limit);
  return { bytes, value: parse(bytes) };
}

function parse(bytes: Buffer): unknown {
  if (bytes.length === 0) throw problems.invalidJson({ message: "A JSON body is required" });
  if (!isUtf8(bytes)) throw problems.invalidJson({ message: "The body is not UTF-8 text" });
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
    throw problems.invalidJson(
      position === undefined ? {} : { message: `The body is not valid JSON (at character ${position})` },
    );
  }
}

function tooLarge(limit: number) {
  const megabytes = Math.round((limit / 2 ** 20) * 100) / 100;
  return problems.requestTooLarge({ message: `The request body is larger than ${megabytes} MB` });
}

/** How long a client that sends too much may go on before it is answered, in milliseconds. */
const lingerMs = 1000;

/** Straight from the socket: a web stream in between costs a third of the request. */
function readNode(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let lingering: NodeJS.Timeout | undefined;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) return void chunks.push(chunk);
      // The rest is thrown away for a moment: closing on a client that still writes takes its answer from it.
      chunks.length = 0;
      lingering ??= setTimeout(() => reject(tooLarge(limit)), lingerMs);
    });
    request.once("end", () => {
      clearTimeout(lingering);
      if (size > limit) return reject(tooLarge(limit));
      const [first] = chunks;
      resolve(first && chunks.length === 1 ? first : Buffer.concat(chunks));
    });
    request.once("error", (error) => reject(new ClientGone("The request ended early", { cause: error })));
    request.once("close", () => {
      if (!request.complete) reject(new ClientGone("The request ended early"));
    });
  });
}

async function readWeb(request: Request, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
