/** A PMS in memory, for development: the same guests and stays every time. */
import type { PmsKind, PmsPage, PmsQuery } from "../../resources/pms.ts";
import type { MemberRecord, StayRecord } from "./records.ts";

const surnames = ["陳", "林", "黃", "張", "李", "王", "吳", "劉", "蔡", "楊"];
const givenNames = ["怡君", "志明", "淑芬", "家豪", "雅婷", "俊傑", "美玲", "冠宇", "詩涵", "建宏", "佳穎", "承恩"];
const rooms: [name: string, perNight: number][] = [
  ["豪華雙人房", 4200],
  ["海景套房", 7800],
  ["家庭四人房", 6400],
  ["經濟單人房", 2600],
];
const guestCount = 120;
const stayCount = 300;
const dayMs = 86_400_000;
const firstDay = Date.UTC(2025, 0, 1);

/** A page of them, as the PMS itself would answer. */
export function samplePage(kind: PmsKind, { updatedSince, cursor, limit }: PmsQuery): PmsPage {
  const all = kind === "members" ? numbers(guestCount).map(guest) : numbers(stayCount).map(stay);
  const changed = all.filter(({ updated_at }) => !updatedSince || new Date(updated_at) >= updatedSince);
  const from = Number(cursor ?? 0);
  const next = from + limit;
  return { items: changed.slice(from, next), next_cursor: next < changed.length ? String(next) : null };
}

function guest(n: number): MemberRecord {
  const sex = n % 2;
  const [area = "A", code = 10] = areas[n % areas.length] ?? [];
  return {
    id: `G${1000 + n}`,
    id_number: idNumber(area, code, `${sex + 1}${digits(n * 7919, 7)}`),
    first_name: pick(givenNames, n * 5 + (n >> 3)),
    last_name: pick(surnames, n * 3 + (n >> 2)),
    gender: sex === 0 ? "male" : "female",
    birthday: day(Date.UTC(1950, 0, 1) + ((n * 137) % 18_000) * dayMs),
    email: n % 4 === 0 ? null : `guest${1000 + n}@example.com`,
    phone: `09${digits(12_000_000 + n * 654_321, 8)}`,
    updated_at: new Date(firstDay + (n % 270) * dayMs).toISOString(),
  };
}

function stay(n: number): StayRecord {
  const [room, perNight] = pick(rooms, n * 7);
  const nights = 1 + (n % 4);
  const arrival = firstDay + ((n * 31) % 270) * dayMs;
  return {
    id: `S${5000 + n}`,
    member_id: `G${1000 + ((n * n + n) % guestCount)}`,
    order_number: `ORD2025${digits(n, 6)}`,
    room_type: room,
    amount: perNight * nights,
    check_in_date: day(arrival),
    check_out_date: day(arrival + nights * dayMs),
    nights,
    updated_at: new Date(arrival + nights * dayMs).toISOString(),
  };
}

/** Counties, and the numbers that their letters stand for. */
const areas: [letter: string, code: number][] = [
  ["A", 10],
  ["B", 11],
  ["D", 13],
  ["E", 14],
  ["F", 15],
  ["H", 17],
];

/** With its check digit: the sum of all digits, weighted 1 9 8 7 6 5 4 3 2 1 1, is a multiple of ten. */
function idNumber(area: string, code: number, eight: string): string {
  const weights = [8, 7, 6, 5, 4, 3, 2, 1];
  const sum = weights.reduce((total, weight, index) => total + weight * Number(eight[index]), 0);
  const whole = Math.floor(code / 10) + 9 * (code % 10) + sum;
  return `${area}${eight}${(10 - (whole % 10)) % 10}`;
}

function digits(value: number, length: number): string {
  return String(value % 10 ** length).padStart(length, "0");
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

function pick<T>(from: readonly T[], n: number): T {
  const one = from[n % from.length];
  if (one === undefined) throw new Error("There is nothing to pick from");
  return one;
}
