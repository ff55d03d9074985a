/** What does not build, load or fit is not deployed, or not everywhere, and the operator is told why. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { greet, greeting, startFleet, step, type Fleet } from "./deploy.fixture.ts";
import { runFn, type Finished } from "./fn.ts";
import { stopAll } from "./system.ts";

const deploys = suite("refusing a deploy");
let fleet: Fleet;

deploys.before(async () => {
  fleet = await startFleet();
  await fleet.write("hello", greeting("one"));
  await step(fleet, "deploy", "hello");
});
deploys.after(async () => {
  await stopAll();
  await fleet.close();
});

const greetings = () => Promise.all(fleet.apis.map(greet));

/** How a command that is refused ended. */
function refusal({ code, stderr }: Finished, expected: number, message: RegExp): void {
  assert.is(code, expected, stderr);
  assert.match(stderr, message);
  assert.not.match(stderr, /\n {4}at /, "no stack");
}

deploys("what cannot be deployed is refused here, in a sentence, with an exit code of its own", async () => {
  refusal(await fleet.fn("deploy", "mail/nothing"), 10, /There is no function "mail\/nothing"/);
  refusal(await fleet.fn("rollback", "mail/cancel"), 15, /was not deployed by itself/);
  refusal(await fleet.fn("promote", "hello"), 15, /no canary/);
  refusal(await fleet.fn("deploy", "hello", "--canary", "120%"), 64, /share of the calls, such as 10%/);
  await fleet.write("mail/hello", greeting("x"));
  await fleet.write("schedule/hello", greeting("x"));
  await fleet.remove("hello");
  refusal(await fleet.fn("deploy", "ello"), 10, /There is no function/);
  await fleet.write("hello", greeting("one", `import "no-such-package";`));
  refusal(await fleet.fn("deploy", "hello"), 12, /hello.*Cannot find module 'no-such-package'/s);
  await fleet.write("hello", "export default 42;");
  refusal(await fleet.fn("deploy", "hello"), 12, /default export is not a function/);
  await fleet.write("hello", "export default http.get(");
  refusal(await fleet.fn("deploy", "hello"), 12, /functions\/hello\.ts:1:/);
  assert.equal(await greetings(), ["one", "one"]);
});

deploys("a name that several functions end with has to be said whole", async () => {
  await fleet.database.query(
    `INSERT INTO function_deploys (function, action, state, deployed_by, live_at)
     VALUES ('a/twin', 'rollback', 'live', 'x', now()), ('b/twin', 'rollback', 'live', 'x', now())`,
  );
  refusal(await fleet.fn("deploy", "twin"), 11, /"twin" may be a\/twin or b\/twin: say which/);
});

deploys("a version that does not fit what the fleet runs is refused by it, by name, and nothing changes", async () => {
  await fleet.write("hello", greeting("conflict").replace("/hello", "/health"));
  refusal(await fleet.fn("deploy", "hello"), 13, /Nothing was changed: .* refuses it: GET \/health is taken by/);
  await fleet.write("hello", greeting("elsewhere").replace("/hello", "/hello2"));
  refusal(await fleet.fn("deploy", "hello", "--canary", "10%"), 13, /cannot be tried beside the one that runs/);
  assert.equal(await greetings(), ["one", "one"]);
});

deploys("where one process refuses, the others change over and it is named; or none does", async () => {
  await fleet.database.query(
    `INSERT INTO function_hosts (id, name, functions, platform, seen_at)
     VALUES ('00000000-0000-4000-8000-000000000000', 'stranger', '{hello}', 'other', now() + interval '1 hour')`,
  );
  const stranger = setInterval(() => void answerAsStranger(), 20);
  try {
    await fleet.write("hello", greeting("three"));
    refusal(
      await fleet.fn("deploy", "hello", "--all-or-nothing"),
      13,
      /Nothing was changed: stranger refuses it: it was built beside another release/,
    );
    assert.equal(await greetings(), ["one", "one"]);
    const { code, stdout } = await fleet.fn("deploy", "hello");
    assert.is(code, 16);
    assert.match(
      stdout,
      /2 of 3 processes .*\n {2}stranger refuses it and keeps what it ran: it was built beside another/,
    );
    assert.equal(await greetings(), ["three", "three"]);
  } finally {
    clearInterval(stranger);
    await fleet.database.query("DELETE FROM function_hosts WHERE name = 'stranger'");
  }
});

/** A process from another release, which refuses everything. */
async function answerAsStranger(): Promise<void> {
  await fleet.database.query(
    `INSERT INTO function_reports (deploy_id, host_id, host_name, outcome, reason)
     SELECT id, '00000000-0000-4000-8000-000000000000', 'stranger', 'refused', 'it was built beside another release'
     FROM function_deploys WHERE function = 'hello' ON CONFLICT DO NOTHING`,
  );
}

deploys("two operators cannot deploy one function at once", async () => {
  await fleet.database.query("SELECT pg_advisory_lock(hashtext('function_deploy'), hashtext('hello'))");
  await fleet.write("hello", greeting("four"));
  refusal(await fleet.fn("deploy", "hello"), 14, /Somebody else deploys hello at this moment/);
  await fleet.database.query("SELECT pg_advisory_unlock_all()");
  await step(fleet, "deploy", "hello");
});

deploys("an operator who goes in the middle leaves everything as it was", async () => {
  const insert = `INSERT INTO function_deploys (function, action, state, hash, deployed_by)
    SELECT 'hello', 'deploy', 'preparing', hash, 'gone' FROM function_deploys WHERE function = 'hello' AND state = 'live' ORDER BY id LIMIT 1 RETURNING id`;
  const { rows } = await fleet.database.query<{ id: string }>(insert);
  const ready = "SELECT FROM function_reports WHERE deploy_id = $1 AND outcome = 'ready'";
  await eventually(async () => (await fleet.database.query(ready, [rows[0]?.id])).rowCount === 2, {
    what: "they try it",
  });
  assert.equal(await greetings(), ["four", "four"]);
  await fleet.write("hello", greeting("five"));
  await step(fleet, "deploy", "hello");
  assert.equal(await greetings(), ["five", "five"]);
});

deploys("with the database away nothing is deployed, and that is said", async () => {
  const env = { ...fleet.env, DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" };
  refusal(
    await runFn(["deploy", "hello"], { env, root: fleet.root }),
    69,
    /PostgreSQL at 127\.0\.0\.1:1\/none cannot be reached/,
  );
});

deploys.run();
