import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { lineNotSet, overQuota } from "#lib/crm/campaigns/problems.ts";
import { lineRefused } from "#lib/crm/messages/problems.ts";
import { sendMessage } from "#lib/crm/messages/send.ts";
import { memberNotFound, templateNotFound } from "#lib/crm/problems.ts";
import { Id, OrNull, saying, Time } from "../_api.ts";
import { MessageType, unsent, unsentInfo } from "./_message.ts";

export default saying("Message sent successfully")
  .post("/api/v1/messages", {
    summary: "Send a message to a member",
    description: `Once, whatever happens. With \`scheduled_at\` it is sent when that is due. While LINE is away the message
is \`pending\`, and is tried again for up to a day.`,
    access: user(["customer_service"], { sends: true }),
    body: Type.Object({
      member_id: Id,
      message_type: Type.Optional(MessageType),
      content: Type.Optional(
        Type.String({ maxLength: 5000, description: "The text, or the https address of an image" }),
      ),
      template_id: Type.Optional(Id),
      scheduled_at: Type.Optional(OrNull(Time, { description: "A time in the past is now" })),
    }),
    bodyLimit: 65_536,
    returns: Type.Object({
      id: Type.Integer(),
      member_id: Type.Integer(),
      content: Type.String(),
      direction: Type.Literal("outgoing"),
      created_at: Time,
      ...unsent,
    }),
    problems: [memberNotFound, templateNotFound, lineNotSet, overQuota, lineRefused, problems.unavailable],
  })
  .handle(async ({ body, caller }, ctx) => {
    const message = await sendMessage(ctx, caller.userId, body);
    return {
      id: message.id,
      member_id: body.member_id,
      content: message.content,
      direction: "outgoing" as const,
      created_at: message.created_at.toISOString(),
      ...unsentInfo(message.status, message.scheduled_at),
    };
  });
