/** Messages that are written for one member: as LINE is given them, and as the record of messages tells of them. */
import type { Context } from "../../../runtime/context.ts";
import { prepareTemplate } from "../templates/render.ts";
import type { Template } from "../templates/template.ts";
import { linksOf } from "../tracking/link.ts";

export interface WrittenMessage {
  line: object[];
  /** For people to read. */
  content: string;
  type: "text" | "image" | "template";
}

export function textMessage(text: string): WrittenMessage {
  return { line: [{ type: "text", text }], content: text, type: "text" };
}

export function imageMessage(url: string): WrittenMessage {
  return { line: [{ type: "image", originalContentUrl: url, previewImageUrl: url }], content: url, type: "image" };
}

/** Its taps belong to no campaign: they add tags, and count nowhere else. */
export function templateMessage(
  ctx: Pick<Context, "secrets" | "config">,
  template: Template,
  memberId: number,
): WrittenMessage {
  const line = prepareTemplate(template).messages(linksOf(ctx, null)(memberId));
  const { content, notification_text: notification, preview_text: preview, name } = template;
  return { line, content: content || notification || preview || name || "", type: "template" };
}
