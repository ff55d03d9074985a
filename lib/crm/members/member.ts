/** What is said of a member, and what it must be like. */
import type { Context } from "../../../runtime/context.ts";
import type { Detail } from "../../../runtime/problem.ts";
import { parseAddress } from "../../mail/address.ts";
import { hotelZone } from "../hotel-time.ts";
import type { genders } from "../values.ts";
import { isIdNumber, normalIdNumber } from "./id-number.ts";

export type Gender = (typeof genders)[number];

/** As a client says it; null: there is none. */
export interface MemberSettings {
  line_uid: string | null;
  line_display_name: string | null;
  line_picture_url: string | null;
  first_name: string | null;
  last_name: string | null;
  gender: Gender | null;
  /** `1988-05-20` */
  birthday: string | null;
  email: string | null;
  phone: string | null;
  id_number: string | null;
  accept_marketing: boolean;
  notes: string | null;
}

/** By any of these a member is known. */
const identifying = [
  "line_uid",
  "line_display_name",
  "first_name",
  "last_name",
  "email",
  "phone",
  "id_number",
] as const;

/** What is wrong with settings, by field. */
export function settingsFaults(ctx: Pick<Context, "clock">, given: Partial<MemberSettings>): Detail[] {
  const { line_uid: uid, birthday, email, phone, id_number: idNumber } = given;
  const faults: (string | false)[][] = [
    ["line_uid", typeof uid === "string" && !/^U[0-9A-Za-z]{4,99}$/.test(uid) && "Invalid LINE user id"],
    ["birthday", typeof birthday === "string" && birthdayFault(birthday, today(ctx))],
    ["email", typeof email === "string" && !isEmail(email) && "Invalid email format"],
    ["phone", typeof phone === "string" && !isPhone(phone) && "Invalid phone number"],
    ["id_number", typeof idNumber === "string" && !isIdNumber(normalIdNumber(idNumber)) && "Invalid id number"],
  ];
  return faults.flatMap(([field, message]) => (field && message ? [{ field, message }] : []));
}

/** Whether there is anything to know a member by. */
export function isKnown(settings: Partial<Record<(typeof identifying)[number], string | null>>): boolean {
  return identifying.some((name) => (settings[name] ?? "") !== "");
}

function isEmail(text: string): boolean {
  const parsed = parseAddress(text);
  return typeof parsed !== "string" && parsed.name === undefined && text === text.trim() && !text.includes("<");
}

/** National or international, as people write it; E.164 has at most 15 digits, and no country numbers of fewer than 6. */
function isPhone(text: string): boolean {
  const digits = text.replace(/\D/g, "").length;
  return /^\+?[\d (][\d ()-]*(?:[#x] ?\d{1,6})?$/.test(text) && digits >= 6 && digits <= 15;
}

function birthdayFault(text: string, now: string): string | false {
  if (text > now) return "Must not be in the future";
  return text < "1900-01-01" && "Must not be before 1900";
}

/** The day in the hotel's zone, `2025-10-08`. */
function today({ clock }: Pick<Context, "clock">): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: hotelZone }).format(clock.now());
}
