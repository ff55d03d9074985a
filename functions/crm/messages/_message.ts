/** How messages are shown. */
import { Type } from "typebox";
import type { MessageRow } from "#lib/crm/messages/list.ts";
import { OrNull, Time } from "../_api.ts";

export const Direction = Type.Enum(["incoming", "outgoing"]);
export const MessageType = Type.Enum(["text", "image", "template"]);

/** Only of messages that have not been sent. */
export const unsent = {
  status: Type.Optional(
    Type.Enum(["scheduled", "pending", "failed"], {
      description: "Only of what has not been sent: pending is tried again",
    }),
  ),
  scheduled_at: Type.Optional(Time),
};

export const MessageInfo = Type.Object({
  id: Type.Integer({ description: "Negative for messages of campaigns" }),
  member: Type.Object({ id: Type.Integer(), name: OrNull(Type.String()) }),
  content: Type.String(),
  direction: Direction,
  message_type: MessageType,
  sender_type: OrNull(Type.Enum(["manual", "auto", "campaign"])),
  read_at: OrNull(Time),
  created_at: Time,
  ...unsent,
});

export function messageInfo(row: MessageRow) {
  return {
    id: row.id,
    member: { id: row.member_id, name: row.member_name },
    content: row.content,
    direction: row.direction,
    message_type: row.message_type,
    sender_type: row.sender_type,
    read_at: row.read_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    ...unsentInfo(row.status, row.scheduled_at),
  };
}

export function unsentInfo(status: MessageRow["status"], scheduledAt: Date | null) {
  if (status === "sent") return {};
  return { status, ...(scheduledAt && { scheduled_at: scheduledAt.toISOString() }) };
}
