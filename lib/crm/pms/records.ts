/** What the PMS says, cleaned: strangers' data, in which any field may be missing or wrong. */
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import type { Context } from "../../../runtime/context.ts";
import { settingsFaults, type Gender } from "../members/member.ts";

const text = (maxLength: number) => Type.Union([Type.String({ maxLength }), Type.Null()]);
const IsoDay = Type.Union([Type.String({ format: "date" }), Type.Null()]);

const MemberRecord = Type.Object({
  id: Type.String(),
  id_number: text(50),
  first_name: text(50),
  last_name: text(50),
  gender: Type.Union([Type.Literal("male"), Type.Literal("female"), Type.Literal("other"), Type.Null()]),
  birthday: IsoDay,
  email: text(100),
  phone: text(20),
  /** ISO 8601. */
  updated_at: Type.String(),
});
export type MemberRecord = Static<typeof MemberRecord>;

/** What the records of undecided guests are sealed for. */
export const recordPlace = "pms_members.record";

const StayRecord = Type.Object({
  id: Type.String(),
  member_id: Type.String(),
  order_number: Type.String(),
  room_type: text(100),
  amount: Type.Number(),
  check_in_date: IsoDay,
  check_out_date: IsoDay,
  nights: Type.Union([Type.Integer(), Type.Null()]),
  updated_at: Type.String(),
});
export type StayRecord = Static<typeof StayRecord>;

/** Why a record is not taken; never what is in it. */
export interface Fault {
  /** The PMS's id of it, where that is one. */
  record: string | null;
  reason: string;
}

type Cleaning = Pick<Context, "clock" | "config">;

/** What cannot be right of a member is left out, as long as there is something to know him by. */
export function memberRecord(ctx: Cleaning, given: unknown): MemberRecord | Fault {
  const raw = fieldsOf(given);
  const id = idOf(raw["id"]);
  if (id === undefined) return { record: null, reason: "id is missing or not an id" };
  const updatedAt = timeOf(raw["updated_at"]);
  if (updatedAt === undefined) return { record: id, reason: "updated_at is missing or not a time" };
  const settings = {
    id_number: lineOf(raw["id_number"], 50),
    first_name: lineOf(raw["first_name"], 50),
    last_name: lineOf(raw["last_name"], 50),
    birthday: dayOf(raw["birthday"]),
    email: lineOf(raw["email"], 100),
    phone: lineOf(raw["phone"], 20),
  };
  const wrong = new Set(settingsFaults(ctx, settings).map(({ field }) => field));
  const kept = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, wrong.has(name) ? null : value]),
  ) as typeof settings;
  const { birthday: _day, ...names } = kept;
  if (Object.values(names).every((value) => value === null))
    return { record: id, reason: "there is nothing to know the guest by" };
  return { id, ...kept, gender: genderOf(raw["gender"]), updated_at: updatedAt };
}

/** Money and whose it is have to be right. */
export function stayRecord(given: unknown): StayRecord | Fault {
  const raw = fieldsOf(given);
  const id = idOf(raw["id"]);
  if (id === undefined) return { record: null, reason: "id is missing or not an id" };
  const fault = (reason: string) => ({ record: id, reason });
  const updatedAt = timeOf(raw["updated_at"]);
  if (updatedAt === undefined) return fault("updated_at is missing or not a time");
  const memberId = idOf(raw["member_id"]);
  if (memberId === undefined) return fault("member_id is missing or not an id");
  const orderNumber = lineOf(raw["order_number"], 50);
  if (orderNumber === null) return fault("order_number is missing or too long");
  const amount = amountOf(raw["amount"]);
  if (amount === undefined) return fault("amount is missing or not an amount");
  const checkIn = dayOf(raw["check_in_date"]);
  const checkOut = dayOf(raw["check_out_date"]);
  if (checkIn !== null && checkOut !== null && checkOut < checkIn)
    return fault("check_out_date is before check_in_date");
  return {
    id,
    member_id: memberId,
    order_number: orderNumber,
    room_type: lineOf(raw["room_type"], 100),
    amount,
    check_in_date: checkIn,
    check_out_date: checkOut,
    nights: nightsOf(raw["nights"], checkIn, checkOut),
    updated_at: updatedAt,
  };
}

export function isFault(found: object): found is Fault {
  return "reason" in found;
}

function fieldsOf(given: unknown): Record<string, unknown> {
  return typeof given === "object" && given !== null ? { ...given } : {};
}

/** Text or a number: PMSs have either. Of such characters, so that it can be told in logs and lists. */
function idOf(value: unknown): string | undefined {
  const id = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  return typeof id === "string" && /^[\w.:/-]{1,100}$/.test(id) ? id : undefined;
}

/** One line without control characters and without space around it; null for nothing, and for what is too long. */
function lineOf(value: unknown, most: number): string | null {
  if (typeof value !== "string" || !value.isWellFormed()) return null;
  const line = value.replace(/\p{Cc}+/gu, " ").trim();
  return line === "" || line.length > most ? null : line;
}

function dayOf(value: unknown): string | null {
  const day = typeof value === "string" ? value.slice(0, 10) : "";
  return Value.Check(Type.String({ format: "date" }), day) ? day : null;
}

function timeOf(value: unknown): string | undefined {
  const time = typeof value === "string" && /^\d{4}-\d\d-\d\d/.test(value) ? new Date(value) : undefined;
  return time && time.getTime() >= 0 ? time.toISOString() : undefined;
}

function genderOf(value: unknown): Gender | null {
  const text = typeof value === "string" ? value.trim().toLowerCase() : "";
  if (["male", "m", "男"].includes(text)) return "male";
  if (["female", "f", "女"].includes(text)) return "female";
  return text === "" ? null : "other";
}

/** What NUMERIC(10, 2) holds. */
function amountOf(value: unknown): number | undefined {
  const isText = typeof value === "string" && /^-?\d{1,8}(?:\.\d{1,4})?$/.test(value);
  const amount = isText ? Number(value) : value;
  return typeof amount === "number" && Math.abs(amount) < 99_999_999 ? Math.round(amount * 100) / 100 : undefined;
}

function nightsOf(value: unknown, checkIn: string | null, checkOut: string | null): number | null {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 10_000) return value;
  if (checkIn === null || checkOut === null) return null;
  return Math.round((Date.parse(checkOut) - Date.parse(checkIn)) / 86_400_000);
}
