/** An operator deploys one function: what is new comes, what is gone goes, and what does not fit is refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { greet, greeting, startFleet, step, type Fleet } from "./deploy.fixture.ts";
import { stopAll } from "./system.ts";

const deploys = suite("deploying one function");
let fleet: Fleet;

deploys.before(async () => {
  fleet = await startFleet();
});
deploys.after(async () => {
  await stopAll();
  await fleet.close();
});

const greetings = () => Promise.all(fleet.apis.map(greet));

deploys("a new function is mounted, a changed one is swapped, one that is gone is taken away", async () => {
  assert.equal(await greetings(), [undefined, undefined]);
  await fleet.write("hello", greeting("one"));
  await step(fleet, "deploy", "hello");
  assert.equal(await greetings(), ["one", "one"]);
  await fleet.write("hello", greeting("two"));
  const dry = await fleet.fn("deploy", "hello", "--dry-run");
  assert.match(dry.stdout, /hello: deploy would change [\da-f]{12} to [\da-f]{12}\n {2}in .+, .+/);
  assert.equal(await greetings(), ["one", "one"]);
  await step(fleet, "deploy", "hello");
  assert.equal(await greetings(), ["two", "two"]);
  assert.match((await fleet.fn("deploy", "hello")).stdout, /nothing to do/);

  await fleet.remove("hello");
  await step(fleet, "deploy", "hello");
  assert.equal(await greetings(), [undefined, undefined]);
  await step(fleet, "rollback", "hello");
  assert.equal(await greetings(), ["two", "two"]);
  await step(fleet, "rollback", "hello");
  assert.equal(await greetings(), ["one", "one"]);
});

deploys("a process that starts later runs what is deployed, also what is tried", async () => {
  await fleet.write("hello", greeting("tried"));
  await step(fleet, "deploy", "hello", "--canary", "50%");
  const late = await fleet.start("hello");
  const answers = [await greet(late), await greet(late), await greet(late), await greet(late)];
  assert.equal(answers.toSorted(), ["one", "one", "tried", "tried"]);
  await step(fleet, "rollback", "hello");
  assert.is(await greet(late), "one");
  await late.stop();
});

deploys.run();
