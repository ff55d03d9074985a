/**
 * Which form a mail takes on its way to Graph.
 *
 * A message in JSON has one body. Where a mail has text and html, MIME hands over both; what Exchange makes of the text
 * is its own affair: it keeps html, and writes a text of it into the mail that leaves
 * (https://learn.microsoft.com/archive/blogs/devmsg/no-to-multiple-bodies-on-a-message). MIME cannot say that the mail
 * is not to be kept in Sent Items, so without saveToSentItems html goes alone, in JSON. A draft is always kept there.
 */
import type { Context } from "../../../runtime/context.ts";
import type { OutgoingMail } from "../../mail/mail.ts";
import { fileContent, type FileContent } from "../../resources/file-content.ts";
import type { Described } from "../message.ts";
import { textBody } from "./body.ts";
import { jsonAttachment, jsonMessage, largestRequest, openJson } from "./message.ts";
import { mimeBody } from "./mime.ts";
import type { GraphRequest } from "./session.ts";

/** A mail with its files, as they are on the disk. */
export interface Composition {
  mail: OutgoingMail;
  files: GraphFile[];
}

export type GraphFile = Described & FileContent;

type Composing = Pick<Context, "config" | "attachments">;

const json = { "content-type": "application/json" };
const mime = { "content-type": "text/plain" };

/** Throws when a file is not there. */
export async function compose(mail: OutgoingMail, { attachments }: Composing): Promise<Composition> {
  const files = mail.attachments.map(async ({ filename, contentType, contentId, path }) => {
    return { filename, contentType, contentId, ...(await fileContent(attachments.resolve(path))) };
  });
  return { mail, files: await Promise.all(files) };
}

/** The one request that sends the whole mail; undefined when that would be larger than Graph takes. */
export async function wholeMail({ mail, files }: Composition, ctx: Composing): Promise<GraphRequest | undefined> {
  const { saveToSentItems } = ctx.config.graph;
  const request = { method: "POST", path: "/sendMail" } as const;
  if (needsMime(mail) && saveToSentItems) {
    // Twice in base64: each file in the MIME, and the MIME in the request.
    const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (bytes * (4 / 3) ** 2 > largestRequest) return undefined;
    const stored = mail.attachments.map((file) => ({ ...file, open: () => ctx.attachments.stream(file.path) }));
    const body = await mimeBody(mail, stored);
    return body.length > largestRequest ? undefined : { ...request, body, headers: mime };
  }
  const list = files.flatMap((file, index) => [index === 0 ? "" : ",", ...attachmentJson(file)]);
  const message = [`${openJson(jsonMessage(mail))}"attachments":[`, ...list, "]}"];
  const body = textBody(`${openJson(saveToSentItems ? {} : { saveToSentItems })}"message":`, ...message, "}");
  return body.length > largestRequest ? undefined : { ...request, body, headers: json };
}

/** The request that makes a draft of the mail, without its files. */
export async function draftMail({ mail }: Composition): Promise<GraphRequest> {
  const request = { method: "POST", path: "/messages" } as const;
  if (needsMime(mail)) {
    const body = await mimeBody(mail);
    if (body.length <= largestRequest) return { ...request, body, headers: mime };
  }
  return { ...request, body: textBody(JSON.stringify(jsonMessage(mail))), headers: json };
}

/** The request that adds a file to a draft. */
export function attachFile(draft: string, file: GraphFile): GraphRequest {
  return { method: "POST", path: `${draft}/attachments`, body: textBody(...attachmentJson(file)), headers: json };
}

function attachmentJson(file: GraphFile): [string, GraphFile, string] {
  return [`${openJson(jsonAttachment(file))}"contentBytes":"`, file, '"}'];
}

/** JSON has one body, and of headers only those that begin with `x-`. */
function needsMime({ text, html, headers = {} }: OutgoingMail): boolean {
  return (text !== undefined && html !== undefined) || Object.keys(headers).length > 0;
}
