/** However a page is found, it is the page: held against a plain reading of all members. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { seedCrm } from "../seed/seed.ts";
import { listMembers, sortings, type MemberFilter } from "./list.ts";

const test = suite("list of members");

interface Plain {
  id: number;
  last_name: string | null;
  text: string;
  email: string | null;
  created_at: number;
  last_interaction_at: number | null;
  source: string;
  tags: number[];
}

let context: TestContext;
let all: Plain[];

test.before(async () => {
  context = await openContext();
  await seedCrm(context.ctx, { members: 1500, seed: 3, force: false, tell: () => {} });
  const { rows } = await context.ctx.db.query<Plain>(
    `SELECT id::float8 AS id, last_name, coalesce(last_name, '') || coalesce(first_name, '') || ' ' || coalesce(first_name, '') || coalesce(last_name, '')
              || ' ' || coalesce(line_display_name, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone_digits, '') AS text,
            email, extract(epoch FROM created_at)::float8 AS created_at, extract(epoch FROM last_interaction_at)::float8 AS last_interaction_at,
            source, ARRAY(SELECT tag_id::float8 FROM member_tag_relations WHERE member_id = members.id) AS tags FROM members`,
  );
  all = rows;
});
test.after(() => context.close());

/** Ids in the order that is asked for; none comes after all. */
function plainly(filter: MemberFilter, sortBy: (typeof sortings)[number], order: "asc" | "desc"): number[] {
  const tags = filter.tags ?? [];
  const fits = (member: Plain): boolean =>
    (filter.search === undefined || member.text.toLowerCase().includes(filter.search)) &&
    (filter.source === undefined || member.source === filter.source) &&
    (tags.length === 0 ||
      (filter.tagsMode === "all"
        ? tags.every((tag) => member.tags.includes(tag))
        : tags.some((tag) => member.tags.includes(tag))));
  // Whoever never interacted is before all, whoever has no name after all.
  const none = sortBy === "last_interaction_at" ? -Infinity : "\u{10ffff}";
  const key = (member: Plain): string | number => member[sortBy] ?? none;
  const compare = (a: Plain, b: Plain): number => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.id - b.id);
  const sorted = all.filter(fits).toSorted(compare);
  return (order === "asc" ? sorted : sorted.toReversed()).map(({ id }) => id);
}

const filters: MemberFilter[] = [
  {},
  { source: "line" },
  { search: "明" },
  { search: "陳" },
  { search: "小" },
  { search: "明華" },
  { search: "ming" },
  { search: "gmail.example" },
  { search: "0912" },
  { search: "陳", source: "crm" },
  { search: "chen", tags: [1] },
  { tags: [1] },
  { tags: [17] },
  { tags: [2], source: "crm" },
  { tags: [2, 17, 3] },
  { tags: [4, 999_999] },
  { tags: [1, 4], tagsMode: "all" },
  { tags: [1, 4, 3], tagsMode: "all", source: "line" },
  { tags: [1, 999_999], tagsMode: "all" },
  { tags: [1, 4], search: "陳" },
];

for (const filter of filters) {
  test(`${JSON.stringify(filter)}: its pages in every order`, async () => {
    for (const sortBy of sortings) {
      for (const order of ["asc", "desc"] as const) {
        const expected = plainly(filter, sortBy, order);
        for (const offset of [0, 7, 300]) {
          const page = { page: 1, pageSize: 9, offset, sortBy, order };
          const { items, total } = await listMembers(context.ctx, filter, page);
          const where = `${sortBy} ${order} from ${offset}`;
          assert.is(total, expected.length, where);
          assert.equal(
            items.map(({ id }) => id),
            expected.slice(offset, offset + 9),
            where,
          );
        }
      }
    }
  });
}

test.run();
