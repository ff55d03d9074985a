import { Type } from "typebox";
import { client } from "#lib/auth/access.ts";
import { readHistory } from "#lib/mail/history.ts";
import { Paging } from "#lib/paging.ts";
import { PlainText } from "#lib/plain-text.ts";
import { mailApi, Status } from "./_api.ts";

const Entry = Type.Object({
  id: Type.String(),
  from: Type.String(),
  to: Type.Array(Type.String()),
  subject: Type.String(),
  status: Status,
  created_at: Type.String({ format: "date-time" }),
  sent_at: Type.Union([Type.String({ format: "date-time" }), Type.Null()]),
});

export default mailApi
  .get("/api/v1/mail/history", {
    summary: "List mails, newest first",
    description: `Your own mails; an admin's list has everyone's, those that came by SMTP and by schedule included.
To read all of it, follow \`next_cursor\`: that gives every mail once, also while new ones come in, and is as quick at
the end as at the start. Mail that is sent, failed or cancelled is kept for MAIL_RETENTION_DAYS (0, the default: for ever).`,
    access: client("mail:read"),
    query: Type.Object({
      page: Type.Optional(Type.Integer({ minimum: 1, description: "From 1, the default" })),
      limit: Paging.properties.limit,
      cursor: Type.Optional(Type.String({ description: "In place of page: the next_cursor of the reply before" })),
      status: Type.Optional(Status),
      client_id: Type.Optional(PlainText({ maxLength: 100, description: "Of this client only; for an admin" })),
    }),
    returns: Type.Object({
      total: Type.Integer({ description: "Mails on all pages together" }),
      page: Type.Union([Type.Integer(), Type.Null()], { description: "Null where a cursor was followed" }),
      limit: Type.Integer(),
      data: Type.Array(Entry),
      next_cursor: Type.Union([Type.String(), Type.Null()], { description: "Null at the end" }),
    }),
  })
  .handle(async ({ query, caller }, ctx) => readHistory(ctx, query, caller));
