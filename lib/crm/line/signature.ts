/** Whether a webhook's body comes from LINE. */
import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * `X-Line-Signature` is the base64 of the HMAC-SHA256 of the body, exactly as it arrived, with the channel's secret.
 * https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/
 * The SDK has the same, but within a module that brings all of its clients.
 */
export function isSignedByLine(
  body: string | Uint8Array,
  signature: string | null | undefined,
  secret: string,
): boolean {
  if (!signature || secret === "") return false;
  const given = Buffer.from(signature, "base64");
  const own = createHmac("sha256", secret).update(body).digest();
  return given.length === own.length && timingSafeEqual(given, own);
}
