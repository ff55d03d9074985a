import { createHmac } from "node:crypto";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../../../runtime/problem.ts";
import { lineSignature } from "./access.ts";

const test = suite("Who may call the webhook");
const body = Buffer.from('{"events":[]}');
const lines: string[] = [];
const log = pino({}, { write: (line: string) => void lines.push(line) });

function statusOf(channelSecret: string | undefined, signature: string | undefined): number {
  const request = { header: (name: string) => (name === "x-line-signature" ? signature : undefined), ip: undefined };
  const resources = { config: { line: { channelSecret } }, log } as Parameters<typeof lineSignature.check>[1];
  try {
    lineSignature.check(request, resources);
    void lineSignature.checkBody?.(body, request, resources);
    return 200;
  } catch (error) {
    if (error instanceof Problem) return error.status;
    throw error;
  }
}

const signed = (secret: string) => createHmac("sha256", secret).update(body).digest("base64");

test("LINE's signature opens it, and no other", () => {
  assert.is(statusOf("secret", signed("secret")), 200);
  assert.is(statusOf("secret", signed("other")), 401);
  assert.is(statusOf("secret", undefined), 401);
});

test("without a channel's secret nobody is believed: 503, and the log says what to set", () => {
  assert.is(statusOf(undefined, signed("")), 503);
  assert.match(lines.join(), "LINE_CHANNEL_SECRET");
});

test.run();
