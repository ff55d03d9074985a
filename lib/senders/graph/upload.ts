/** Attachments of a draft: https://learn.microsoft.com/graph/outlook-large-attachments */
import { setTimeout as pause } from "node:timers/promises";
import { PostFailure } from "../../resources/http-post.ts";
import { classify } from "../classify.ts";
import { answerOf, type Reply } from "./answer.ts";
import { rangeBody, textBody } from "./body.ts";
import { attachFile, type GraphFile } from "./compose.ts";
import { inline } from "./message.ts";
import { Ended, notSent, outOfTime, type GraphSession } from "./session.ts";

/** From here on a file goes by an upload session; what is smaller fits into one request of 4 MB, in base64. */
const largestInOne = 3 * 2 ** 20 - 1024;
/** As many multiples of 320 KiB as stay below 4 MB. */
const chunkBytes = 12 * 320 * 1024;
/** Tries of a chunk that fails; and how long may be waited before one, in milliseconds. */
const triesOfChunk = 3;
const longestPauseMs = 5000;

/** Adds a file to a draft. Throws `Ended`. */
export async function attach(
  session: GraphSession,
  draft: string,
  file: GraphFile,
  signal: AbortSignal,
): Promise<void> {
  const { filename: name, contentType, contentId, sizeBytes: size } = file;
  if (size < largestInOne) return void (await session.prepare(attachFile(draft, file), [201]));
  const item = { attachmentType: "file", name, size, contentType, ...inline(contentId) };
  const body = textBody(JSON.stringify({ AttachmentItem: item }));
  const path = `${draft}/attachments/createUploadSession`;
  const headers = { "content-type": "application/json" };
  const created = await session.prepare({ method: "POST", path, body, headers }, [200, 201]);
  const url = fieldOf(created, "uploadUrl");
  if (typeof url !== "string") throw notSent("no_upload_url", "Graph gave no address to upload an attachment to");
  await upload(session, url, file, signal);
}

/** In order, chunk by chunk. One that fails is tried again from where Graph says that it has come to. */
async function upload(session: GraphSession, url: string, file: GraphFile, signal: AbortSignal): Promise<void> {
  let failures = 0;
  for (let start = 0; start < file.sizeBytes;) {
    const outcome = await put(session, url, file, start);
    if (typeof outcome === "number" && outcome > start) {
      start = outcome;
      failures = 0;
      continue;
    }
    if (++failures === triesOfChunk) throw typeof outcome === "number" ? failed("upload_stuck") : outcome.ended;
    await pause(typeof outcome === "number" ? 0 : outcome.pauseMs, undefined, { signal }).catch(() => {
      throw outOfTime();
    });
    start = (await nextExpected(session, url)) ?? start;
  }
}

interface Failed {
  ended: Ended;
  /** Before the next try. */
  pauseMs: number;
}

/** Sends the chunk that starts here. Returns where the next starts; throws what no further try would mend. */
async function put(session: GraphSession, url: string, file: GraphFile, start: number): Promise<number | Failed> {
  const end = Math.min(start + chunkBytes, file.sizeBytes);
  const headers = {
    "content-type": "application/octet-stream",
    "content-range": `bytes ${start}-${end - 1}/${file.sizeBytes}`,
  };
  let reply: Reply;
  try {
    reply = await session.call({ method: "PUT", path: url, body: rangeBody(file, start, end), headers });
  } catch (error) {
    if (error instanceof PostFailure) return { ended: failed(error.code), pauseMs: 250 };
    throw error;
  }
  const { status } = reply;
  if (status === 201) return file.sizeBytes;
  if (status === 200) return expected(reply) ?? end;
  if (status === 416) return { ended: failed("upload_range"), pauseMs: 0 };
  // The session has ended before its time; another draft gets another one.
  if ([401, 403, 404, 410].includes(status)) throw failed(`upload_http_${status}`);
  const answer = { ...answerOf(reply), nothingSent: true };
  const verdict = classify(answer, Date.now());
  const pauseMs = verdict.retryAfterMs ?? 500;
  if (verdict.kind === "permanent" || pauseMs > longestPauseMs) throw new Ended(answer);
  return { ended: new Ended(answer), pauseMs };
}

/** Where Graph wants to go on; undefined when it does not say. */
async function nextExpected(session: GraphSession, url: string): Promise<number | undefined> {
  try {
    const reply = await session.call({ method: "GET", path: url });
    return reply.status === 200 ? expected(reply) : undefined;
  } catch (error) {
    if (error instanceof PostFailure) return undefined;
    throw error;
  }
}

/** `nextExpectedRanges: ["2097152"]`: for Outlook always one, its start. */
function expected(reply: Reply): number | undefined {
  const ranges = fieldOf(reply, "nextExpectedRanges");
  const start = Array.isArray(ranges) ? Number.parseInt(String(ranges[0]), 10) : Number.NaN;
  return Number.isSafeInteger(start) ? start : undefined;
}

function failed(code: string): Ended {
  return notSent(code, "An attachment could not be uploaded; nothing was sent");
}

function fieldOf({ body }: Reply, name: string): unknown {
  return typeof body === "object" && body !== null ? Object.getOwnPropertyDescriptor(body, name)?.value : undefined;
}
