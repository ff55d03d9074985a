/** Whom an audience has, by tags and days, against the plainest reading of its words. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { hotelZone } from "../hotel-time.ts";
import { audienceCondition, type Audience } from "./audience.ts";

const test = suite<{ context: TestContext }>("audiences");

interface Guest {
  id: number;
  lineUid: string | null;
  accepts: boolean;
  blocked: boolean;
  friendedAt: Date | null;
  tags: readonly number[];
}

const noon = Date.parse("2026-01-20T04:00:00Z");
const tags = [1, 2, 3];
/** Around the hotel's midnights, where a day is soon missed. */
const hours = (hour: number, seconds: number) => new Date(noon + (hour * 3600 + seconds) * 1000);
const guests: readonly Guest[] = Array.from({ length: 240 }, (_, index) => ({
  id: index + 1,
  lineUid: index % 11 === 0 ? null : `U${index}`,
  accepts: index % 13 !== 0,
  blocked: index % 17 === 0,
  friendedAt: index % 7 === 0 ? null : hours(-12 * (index % 60), [-1, 0, 1][index % 3] ?? 0),
  tags: tags.filter((_tag, bit) => (index >> bit) & 1),
}));

test.before(async (state) => {
  state.context = await openContext();
  const { db } = state.context.ctx;
  await db.query(
    "INSERT INTO tags (id, name, type) OVERRIDING SYSTEM VALUE SELECT n, n, 'member' FROM unnest($1::int[]) AS n",
    [tags],
  );
  await db.query(
    `INSERT INTO members (id, line_uid, source, accept_marketing, blocked_at, friended_at) OVERRIDING SYSTEM VALUE
     SELECT id, "lineUid", 'line', accepts, CASE WHEN blocked THEN now() END, "friendedAt"
     FROM jsonb_to_recordset($1::jsonb)
       AS guest (id int, "lineUid" text, accepts boolean, blocked boolean, "friendedAt" timestamptz)`,
    [JSON.stringify(guests)],
  );
  await db.query(
    `INSERT INTO member_tag_relations (member_id, tag_id)
     SELECT id, tag::int FROM jsonb_to_recordset($1::jsonb) AS guest (id int, tags jsonb), jsonb_array_elements(tags) AS tag`,
    [JSON.stringify(guests)],
  );
});
test.after(({ context }) => context.close());

const someTags = fc.option(fc.uniqueArray(fc.constantFrom(...tags)), { nil: undefined });
const audiences: fc.Arbitrary<Audience> = fc
  .tuple(
    fc.record({ include: someTags, exclude: someTags, all: fc.boolean() }),
    fc.option(fc.tuple(fc.nat({ max: 32 }), fc.nat({ max: 32 }))),
  )
  .map(([{ include, exclude, all }, days]) => ({
    target_audience: {
      type: "tags",
      ...(include && { include_tags: include }),
      ...(exclude && { exclude_tags: exclude }),
      ...(all && { tags_mode: "all" }),
    },
    trigger_condition: days && { type: "friend_days", days_range: [Math.min(...days), Math.max(...days)] },
  }));

const dayOf = (at: Date) =>
  Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(hotelZone).toPlainDate();

function isMeant({ target_audience: target, trigger_condition: trigger }: Audience, guest: Guest, now: Date): boolean {
  if (guest.lineUid === null || !guest.accepts || guest.blocked) return false;
  if (target.type === "tags") {
    const { include_tags: include = [], exclude_tags: exclude = [], tags_mode: mode } = target;
    const has = (tag: number) => guest.tags.includes(tag);
    if (exclude.some(has)) return false;
    if (include.length > 0 && !(mode === "all" ? include.every(has) : include.some(has))) return false;
  }
  if (!trigger) return true;
  if (!guest.friendedAt) return false;
  const { days } = dayOf(guest.friendedAt).until(dayOf(now), { largestUnit: "days" });
  return trigger.days_range[0] <= days && days <= trigger.days_range[1];
}

test("an audience has those whom its tags and days mean, at any time of the hotel's day", async ({ context }) => {
  let most = 0;
  const moments = fc.tuple(fc.integer({ min: -15, max: 15 }), fc.constantFrom(-1, 0, 1));
  const property = fc.asyncProperty(audiences, moments, async (audience, moment) => {
    const now = hours(...moment);
    const { sql, values } = audienceCondition(audience, now);
    const { rows } = await context.ctx.db.query<{ id: number }>(
      `SELECT m.id::int FROM members AS m WHERE ${sql} ORDER BY m.id`,
      values,
    );
    const meant = guests.filter((guest) => isMeant(audience, guest, now)).map(({ id }) => id);
    assert.equal(
      rows.map(({ id }) => id),
      meant,
    );
    most = Math.max(most, meant.length);
  });
  await fc.assert(property, { seed: 20_260_120, numRuns: 150 });
  assert.ok(most > 50 && most < guests.length);
});

test.run();
