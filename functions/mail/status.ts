import { Type, type TSchema } from "typebox";
import { client } from "#lib/auth/access.ts";
import { mailNotFound } from "#lib/mail/problems.ts";
import { readEvents, readStatus } from "#lib/mail/status.ts";
import { MailId, mailApi, Status } from "./_api.ts";

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

const MailState = Type.Object({
  mail_id: Type.String(),
  status: Status,
  retry_count: Type.Integer(),
  created_at: Type.String({ format: "date-time" }),
  sent_at: Nullable(Type.String({ format: "date-time" })),
  last_updated: Type.String({ format: "date-time" }),
  error_message: Type.String({ description: "Empty where there is none" }),
  events: Type.Optional(
    Type.Array(
      Type.Object({
        at: Type.String({ format: "date-time" }),
        type: Type.String(),
        provider: Nullable(Type.String()),
        duration_ms: Nullable(Type.Integer()),
        code: Nullable(Type.String()),
        message: Nullable(Type.String()),
      }),
    ),
  ),
});

export default mailApi
  .get("/api/v1/mail/status/:id", {
    summary: "Look up a mail",
    access: client("mail:read"),
    params: MailId,
    query: Type.Object({ events: Type.Boolean({ default: false, description: "Add the timeline of attempts" }) }),
    returns: MailState,
    problems: [mailNotFound],
  })
  .handle(async ({ params, query, caller }, ctx) => {
    const id = params.id.toLowerCase();
    const state = await readStatus(ctx, id, caller);
    return query.events ? { ...state, events: await readEvents(ctx, id) } : state;
  });
