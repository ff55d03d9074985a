/** SendGrid, by its v3 Mail Send API through @sendgrid/mail. */
import type { MailDataRequired } from "@sendgrid/helpers/classes/mail.js";
import { senderNotConfigured } from "../mail/problems.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import type { ProviderAnswer } from "./classify.ts";
import type { Sender } from "./sender.ts";

export const sendgrid: Sender = {
  name: "sendgrid",

  refusals: ({ attachments }) =>
    attachments.flatMap(({ content }, index) =>
      content.length > 0 ? [] : [{ field: `attachments[${index}].content`, message: "must not be empty" }],
    ),

  async send(mail, { sendgrid: client, attachments }) {
    if (!client) throw senderNotConfigured();
    const files = await Promise.all(
      mail.attachments.map(async ({ filename, contentType, path }) => ({
        filename,
        content: (await attachments.read(path)).toString("base64"),
        // Without its parameters: SendGrid refuses a type that has a semicolon.
        type: contentType?.split(";")[0]?.trim() ?? "application/octet-stream",
        disposition: "attachment",
      })),
    );
    try {
      const [response] = await client.send(payload(mail, files));
      return { kind: "response", status: response.statusCode };
    } catch (error) {
      return answerOf(error);
    }
  },
};

/** Empty lists are left out: the API refuses an empty `cc`, `bcc` or `attachments`. */
function payload(mail: OutgoingMail, files: MailDataRequired["attachments"] & object): MailDataRequired {
  const named = (email: string) => ({ email, ...(mail.names[email] !== undefined && { name: mail.names[email] }) });
  const content = [
    ...(mail.text !== undefined ? [{ type: "text/plain", value: mail.text }] : []),
    ...(mail.html !== undefined ? [{ type: "text/html", value: mail.html }] : []),
  ];
  return {
    from: named(mail.from),
    personalizations: [
      {
        to: mail.to.map(named),
        ...(mail.cc.length > 0 && { cc: mail.cc.map(named) }),
        ...(mail.bcc.length > 0 && { bcc: mail.bcc.map(named) }),
      },
    ],
    subject: mail.subject,
    // The type asks for at least one; a mail without body and html is not accepted in the first place.
    content: content as [(typeof content)[number]],
    customArgs: { mail_id: mail.id },
    ...(files.length > 0 && { attachments: files }),
  };
}

/** The client throws for every status that is not 2xx, and for every failure below HTTP. */
function answerOf(error: unknown): ProviderAnswer {
  if (!(error instanceof Error)) return { kind: "failure", code: "UNKNOWN", connecting: false };
  const { code, response, syscall } = error as {
    code?: number | string;
    syscall?: string;
    response?: { headers?: Record<string, unknown>; body?: unknown };
  };
  if (typeof code === "number") {
    const retryAfter = response?.headers?.["retry-after"];
    return {
      kind: "response",
      status: code,
      retryAfter: retryAfter === undefined ? undefined : String(retryAfter),
      detail: firstError(response?.body),
    };
  }
  return { kind: "failure", code: code ?? error.name, connecting: syscall === "connect" || syscall === "getaddrinfo" };
}

/** `{errors: [{message, field, help}]}`: the field and the message of the first. */
function firstError(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null || !("errors" in body) || !Array.isArray(body.errors)) return undefined;
  const [first] = body.errors as { field?: unknown; message?: unknown }[];
  if (!first) return undefined;
  const field = typeof first.field === "string" ? `${first.field}: ` : "";
  return `${field}${String(first.message)}`.slice(0, 500);
}
