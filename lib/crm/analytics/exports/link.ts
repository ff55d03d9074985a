/** Links to reports: whoever has one gets the file, without a token, for an hour. */
import { timingSafeEqual } from "node:crypto";
import type { Context } from "../../../../runtime/context.ts";
import { files, linkHasEnded, linkSeconds, notALink, type Format } from "./export.ts";

export interface Link {
  url: string;
  expiresAt: Date;
}

/** 128 bits: nobody finds one by trying (NIST SP 800-107, 5.3.4). */
const codeBytes = 16;
const purpose = "reports";

/** The path of what is downloaded, with its one parameter. */
export const downloadPath = "/api/v1/analytics/reports/";

/** A link that holds for an hour, or until the file goes. */
export function linkTo(
  { secrets, config, clock }: Pick<Context, "secrets" | "config" | "clock">,
  { id, format, kept_until }: { id: string; format: Format; kept_until?: Date | null },
): Link {
  const hour = Math.floor(clock.now().getTime() / 1000) + linkSeconds;
  const seconds = kept_until ? Math.min(hour, Math.floor(kept_until.getTime() / 1000)) : hour;
  const text = `${id}~${seconds}`;
  const code = secrets.macs(text, purpose)[0].toString("base64url", 0, codeBytes);
  const url = `${config.publicUrl}${downloadPath}${text}~${code}.${files[format].ending}`;
  return { url, expiresAt: new Date(seconds * 1000) };
}

/** The id of the report that a link is for. Throws for what was not signed here, under any of the keys, and once it has ended. */
export function openLink({ secrets, clock }: Pick<Context, "secrets" | "clock">, signed: string): string {
  const [, text = "", id = "", seconds = "", given = ""] =
    /^(([\da-f-]{36})~(\d{10,12}))~([\w-]{22})\.(?:xlsx|pdf)$/.exec(signed) ?? [];
  const bytes = Buffer.from(given, "base64url");
  if (bytes.length !== codeBytes) throw notALink();
  // All of them are compared, so that the time it takes tells nothing.
  const equal = secrets.macs(text, purpose).filter((mac) => timingSafeEqual(mac.subarray(0, codeBytes), bytes));
  if (equal.length === 0) throw notALink();
  if (Number(seconds) * 1000 <= clock.now().getTime()) throw linkHasEnded();
  return id;
}
