import { Type } from "typebox";
import { problems } from "#runtime";
import { acceptEvents } from "#lib/crm/line/accept.ts";
import { lineSignature } from "#lib/crm/line/access.ts";
import { crmApi, Nothing } from "../_api.ts";

export default crmApi
  .post("/webhooks/line", {
    summary: "Take the events of LINE's webhook",
    description:
      "Answers once they are stored. They are handled in the background, each once, however often LINE sends it.",
    access: lineSignature,
    body: Type.Object({ destination: Type.Optional(Type.String()), events: Type.Array(Type.Unknown()) }),
    returns: Nothing,
    problems: [problems.unavailable],
    headers: { request: { "X-Line-Signature": "HMAC-SHA256 of the body with the channel's secret, base64" } },
  })
  .handle(async ({ body }, ctx) => {
    await acceptEvents(ctx, body.events);
    return null;
  });
