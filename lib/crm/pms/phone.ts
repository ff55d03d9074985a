/** Phone numbers as they are compared: E.164, with Taiwan's for what has no country. */
import { parsePhoneNumberFromString } from "libphonenumber-js/min";

/** `+886912345678`; undefined for what is no whole number of one line, and for an extension, which many share. */
export function e164(text: string): string | undefined {
  const phone = parsePhoneNumberFromString(text, "TW");
  return phone?.isValid() && phone.ext === undefined ? phone.number : undefined;
}

/** The digits that such a number may be written with. Others may be written so, too: compare them in E.164. */
export function digitsOf(number: string): string[] {
  const digits = number.slice(1);
  const ofTaiwan = /^886(\d+)$/.exec(digits)?.[1];
  if (ofTaiwan === undefined) return [digits, `002${digits}`];
  return [digits, `0${ofTaiwan}`, ofTaiwan, `8860${ofTaiwan}`, `002${digits}`];
}
