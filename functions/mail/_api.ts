/** The mail API: its style, and the schemas that its functions share. */
import { Type } from "typebox";
import { http } from "#runtime";
import { proxyStyle } from "#lib/proxy-style.ts";

export const mailApi = http.style(proxyStyle);

export const MailId = Type.Object({
  id: Type.String({ description: "The mail's id", format: "uuid" }),
});

export const Status = Type.Enum(["queued", "processing", "sent", "failed", "cancelled"]);

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
  },
  { examples: [example] },
);
