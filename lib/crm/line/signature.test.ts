import { validateSignature } from "@line/bot-sdk";
import { createHmac } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isSignedByLine } from "./signature.ts";

const test = suite("LINE's signature");
const secret = "8c570fa6dd201bb328f1c1eac23a96d8";
const body = '{"destination":"U1","events":[{"text":"早安 ✓"}]}';
const signature = createHmac("sha256", secret).update(body).digest("base64");

test("what the channel's secret signed is LINE's, as the SDK says, too", () => {
  assert.ok(isSignedByLine(Buffer.from(body), signature, secret));
  assert.ok(validateSignature(Buffer.from(body), secret, signature));
});

test("a byte more, another secret, another algorithm or nothing is not", () => {
  assert.not(isSignedByLine(`${body} `, signature, secret));
  assert.not(isSignedByLine(body, signature, `${secret}0`));
  assert.not(isSignedByLine(body, createHmac("sha1", secret).update(body).digest("base64"), secret));
  for (const none of ["", null, undefined, "=", "不是"]) assert.not(isSignedByLine(body, none, secret));
});

test("without a secret nobody is believed, not even who signs with an empty one", () => {
  assert.not(isSignedByLine(body, createHmac("sha256", "").update(body).digest("base64"), ""));
});

test.run();
