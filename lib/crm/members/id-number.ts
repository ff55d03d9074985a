/** The number of a member's identity card or passport: kept sealed, told from others by a keyed hash, shown to few. */
import type { Context } from "../../../runtime/context.ts";

/** What it is sealed for. A copy in another row has that row's hash beside it, which is unique. */
export const idNumberPlace = "members.id_number";

/** How its hashes are kept apart from those of other texts. */
const purpose = "members.id_number";

type Sealing = Pick<Context, "secrets">;

/** As it is kept and compared: half-width capitals without spaces. */
export function normalIdNumber(text: string): string {
  return text.normalize("NFKC").replace(/\s/g, "").toUpperCase();
}

/** Lenient, because passports of the world differ: 4 to 20 letters and digits, and hyphens or brackets as some write them. */
export function isIdNumber(normal: string): boolean {
  return /^[A-Z0-9](?:[A-Z0-9()/-]{2,18})[A-Z0-9)]$/.test(normal);
}

export interface SealedIdNumber {
  /** For `members.id_number`. */
  sealed: string;
  /** For `members.id_number_hash`. */
  hash: string;
}

/** What is written of an id number, however it was typed. */
export function sealIdNumber({ secrets }: Sealing, text: string): SealedIdNumber {
  const normal = normalIdNumber(text);
  return { sealed: secrets.seal(normal, idNumberPlace), hash: hashIdNumber({ secrets }, normal) };
}

/** Under the first key, as it is written. */
export function hashIdNumber({ secrets }: Sealing, text: string): string {
  return secrets.macs(normalIdNumber(text), purpose)[0].toString("hex");
}

/** Under every key: a member is looked up by any of them, as keys may be changing. */
export function idNumberHashes({ secrets }: Sealing, text: string): string[] {
  return secrets.macs(normalIdNumber(text), purpose).map((mac) => mac.toString("hex"));
}

/** Throws `SecretFault` for what no key here opens. */
export function openIdNumber({ secrets }: Sealing, sealed: string): string {
  return secrets.open(sealed, idNumberPlace);
}

/** `A****789`: enough to tell, over the telephone, whether it is the right one. */
export function maskIdNumber(normal: string): string {
  return normal.length < 8 ? "****" : `${normal.slice(0, 1)}****${normal.slice(-3)}`;
}
