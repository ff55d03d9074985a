import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { Problem } from "../../../runtime/problem.ts";
import { holdPms } from "./link.ts";
import { recordPlace, type MemberRecord } from "./records.ts";
import { decideReview } from "./reviews.ts";

const test = suite<{ context: TestContext }>("decisions about guests");
test.before(async (state) => void (state.context = await openContext()));
test.after(({ context }) => context.close());

const guest: MemberRecord = {
  id: "G1",
  id_number: null,
  first_name: "小明",
  last_name: "王",
  gender: null,
  birthday: null,
  email: null,
  phone: "+886912345678",
  updated_at: "2026-11-27T10:00:00.000Z",
};

test("while a synchronisation does not let go, a decision is put off and not left hanging", async ({ context }) => {
  const { ctx } = context;
  const record = ctx.secrets.seal(JSON.stringify(guest), recordPlace);
  const { rows } = await ctx.db.query<{ id: number }>(
    `INSERT INTO pms_members (pms_id, reason, record, candidates, changed_at)
     VALUES ('G1', 'several members have this phone', $1, '{}', now()) RETURNING id::float8 AS id`,
    [record],
  );
  const id = rows[0]?.id ?? 0;
  const decision = { memberId: undefined, userId: 1 };
  const told = (attempt: Promise<unknown>) =>
    attempt.then(
      () => "decided",
      (error: unknown) => (error instanceof Problem ? `${error.status} ${error.code}` : String(error)),
    );
  await ctx.db.transaction(async (tx) => {
    await holdPms(tx);
    assert.is(await told(decideReview(ctx, id, decision)), "503 pms_is_busy");
    assert.is(await told(decideReview(ctx, id + 1, decision)), "404 review_not_found");
  });
  await ctx.db.query(`INSERT INTO users (username, email, password_hash, role) VALUES ('a', 'a@b.c', 'x', 'admin')`);
  assert.is(await told(decideReview(ctx, id, decision)), "decided");
  assert.is(await told(decideReview(ctx, id, decision)), "409 review_is_decided");
});

test.run();
