/** The JSON of a mail to SendGrid, with the contents of its attachments read from files while it is sent. */
import { base64Length, base64Of, type FileContent } from "./file-content.ts";
import type { PostBody } from "./http-post.ts";

/**
 * The JSON of `mail`, where each of its attachments gets the content of the file in the same place. The files are
 * opened one after the other when the chunks are asked for; without any, nothing has to be streamed.
 */
export function requestBody(mail: object, files: readonly FileContent[]): PostBody | Buffer {
  if (files.length === 0) return Buffer.from(textsAround(mail, 0).join(""));
  const texts = textsAround(mail, files.length).map((text) => Buffer.from(text));
  return {
    length: total(texts, files),
    async *chunks() {
      for (const [index, text] of texts.entries()) {
        yield text;
        const file = files[index];
        if (file) yield* base64Of(file);
      }
    },
  };
}

function total(texts: readonly Buffer[], contents: readonly { sizeBytes: number }[]): number {
  const between = texts.reduce((sum, text) => sum + text.length, 0);
  return contents.reduce((sum, { sizeBytes }) => sum + base64Length(sizeBytes), between);
}

/** The JSON in parts: before the first content, between contents, and after the last. */
function textsAround(mail: object, contents: number): string[] {
  const { attachments = [], ...rest } = mail as { attachments?: readonly object[] };
  if (attachments.length !== contents) throw new Error("Each attachment has one content");
  if (contents === 0) return [JSON.stringify(rest)];
  const heads = attachments.map(
    (attachment) => `${open(JSON.stringify({ ...attachment, content: undefined }))}"content":"`,
  );
  return [
    `${open(JSON.stringify(rest))}"attachments":[${heads[0]}`,
    ...heads.slice(1).map((head) => `"},${head}`),
    '"}]}',
  ];
}

/** A JSON object, ready for one more member. */
function open(json: string): string {
  return json === "{}" ? "{" : `${json.slice(0, -1)},`;
}
