/** The mail API: its style, and the schemas that its functions share. */
import { Type } from "typebox";
import { http, problems, type Context, type HttpRequest } from "#runtime";
import type { Idempotency } from "#lib/mail/idempotency.ts";
import type { MailStatus } from "#lib/mail/mail.ts";
import { proxyStyle } from "#lib/proxy-style.ts";

export const mailApi = http.style(proxyStyle);

export const MailId = Type.Object({
  id: Type.String({ description: "The mail's id", format: "uuid" }),
});

export const Status = Type.Enum(["queued", "processing", "sent", "failed", "cancelled"]);

/** What is said of a mail in a status, to whoever has asked for something to be done with it. */
export const said: Readonly<Record<MailStatus, string>> = {
  queued: "郵件已加入發送隊列",
  processing: "郵件已加入發送隊列",
  sent: "郵件發送成功",
  failed: "郵件發送失敗",
  cancelled: "郵件已取消",
};

const Address = Type.String({ description: "user@example.com, or Name <user@example.com>", maxLength: 500 });
const Addresses = Type.Array(Address, { maxItems: 10_000 });

const example = {
  from: "hello@example.com",
  to: ["you@example.com"],
  subject: "First mail",
  body: "It works.",
  html: "<p>It works.</p>",
};

export const Mail = Type.Object(
  {
    from: Address,
    to: Type.Array(Address, { minItems: 1, maxItems: 10_000 }),
    cc: Type.Optional(Addresses),
    bcc: Type.Optional(Addresses),
    subject: Type.String({ minLength: 1, maxLength: 998 }),
    body: Type.Optional(Type.String({ description: "Plain text" })),
    html: Type.Optional(Type.String({ description: "HTML; give both where you can" })),
    attachments: Type.Optional(
      Type.Array(
        Type.Object({
          filename: Type.String(),
          content: Type.String({ description: "Base64" }),
          content_type: Type.Optional(Type.String({ description: "Such as application/pdf" })),
        }),
        { maxItems: 100 },
      ),
    ),
    metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: "Kept with the mail, for you" })),
    send_at: Type.Optional(
      Type.String({ format: "date-time", description: "Not before this time, with an offset; at most a year ahead" }),
    ),
  },
  { examples: [example] },
);

/** Content of attachments goes past memory: as it comes it is decoded into a file, which the mail takes over or nobody. */
export const attachmentContent = {
  key: "content",
  over: 64 * 1024,
  open: (ctx: Context) => ctx.attachments.receive(ctx.config.attachments.maxBytes),
};

const longestKey = 256;

/** The headers of a request that may be repeated, for its documentation. */
export const repeatable = {
  request: { "Idempotency-Key": `Makes repeating the request safe for 24 hours; at most ${longestKey} characters` },
  reply: { "Idempotency-Replayed": "true: this is the reply of an earlier request with the same key" },
};

/** Under which key a request may be repeated, when it names one. Throws `invalid_request` for a key that is none. */
export function idempotencyOf(request: Pick<HttpRequest, "header" | "bodyHash">): Idempotency | undefined {
  const key = request.header("idempotency-key");
  if (key === undefined) return undefined;
  if (key === "" || key.length > longestKey) {
    const details = [{ field: "Idempotency-Key", message: `must have 1 to ${longestKey} characters` }];
    throw problems.invalidRequest({ details });
  }
  return { key, bodyHash: request.bodyHash() };
}
