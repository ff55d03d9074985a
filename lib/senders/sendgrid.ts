/** SendGrid, by its v3 Mail Send API through @sendgrid/mail. */
import type { ClientResponse } from "@sendgrid/client/src/response.js";
import { senderNotConfigured } from "../mail/problems.ts";
import { fileContent } from "../resources/file-content.ts";
import { PostFailure } from "../resources/http-post.ts";
import type { ProviderAnswer } from "./classify.ts";
import { sendgridMail } from "./sendgrid-mail.ts";
import { sendgridRefusals } from "./sendgrid-limits.ts";
import type { Sender } from "./sender.ts";

export const sendgrid: Sender = {
  name: "sendgrid",

  refusals: sendgridRefusals,

  async send(mail, { sendgrid: service, config, attachments, signal }) {
    if (!service) throw senderNotConfigured();
    const files = await Promise.all(mail.attachments.map(({ path }) => fileContent(attachments.resolve(path))));
    try {
      const sandbox = config.sendgrid?.sandbox ?? false;
      return answerOf(await service.send(sendgridMail(mail, { sandbox }), files, signal));
    } catch (error) {
      if (error instanceof PostFailure) return failureOf(error);
      throw error;
    }
  },
};

function answerOf({ statusCode: status, headers, body }: ClientResponse): ProviderAnswer {
  if (status < 300) return { kind: "response", status };
  return { kind: "response", status, retryAfter: headers["retry-after"], detail: firstError(body) };
}

/** A request that did not leave whole is none: no server acts on JSON whose end it has not seen. */
function failureOf({ code, progress }: PostFailure): ProviderAnswer {
  if (progress !== "sending") return { kind: "failure", code, connecting: progress === "connecting" };
  const detail = "The connection failed before the whole request was written, so the mail has not arrived";
  return { kind: "failure", code, connecting: true, detail };
}

/** `{errors: [{message, field, help}]}`: the field and the message of the first. */
function firstError(body: object): string | undefined {
  if (!("errors" in body) || !Array.isArray(body.errors)) return undefined;
  const [first] = body.errors as { field?: unknown; message?: unknown }[];
  if (!first) return undefined;
  const field = typeof first.field === "string" ? `${first.field}: ` : "";
  return `${field}${String(first.message)}`.slice(0, 500);
}
