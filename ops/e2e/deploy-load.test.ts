/** An operator changes one function of a fleet at work, and nobody notices; what is bad does not get in, or not for long. */
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { settledMails, startFleet, startLoad, step, type Fleet } from "./deploy.fixture.ts";
import { servedBy, startProxy, type Proxy } from "./proxy.ts";
import { stopAll } from "./system.ts";

const deploys = suite("deploying under load");
let fleet: Fleet;
let proxy: Proxy;

deploys.before(async () => {
  fleet = await startFleet();
  proxy = await startProxy(fleet.apis);
  await servedBy(proxy, "api", 1, 2);
});
deploys.after(async () => {
  await stopAll();
  await fleet.close();
});

const queued = "said[status]";
const says = (text: string) => [queued, `"${text}"`] as const;

deploys("under load, a version comes and goes, by degrees or at once, and no request and no mail is lost", async () => {
  await using load = startLoad(proxy, fleet.apis[0]?.token ?? "");
  const answersIn = async () => {
    load.messages();
    await eventually(() => load.accepted.size > 0, { what: "requests" });
    await pause(600);
    return load.messages();
  };
  await answersIn();

  await fleet.edit("mail/send", ...says("second"));
  await step(fleet, "deploy", "mail/send");
  await eventually(async () => (await answersIn()).every((text) => text === "second"), { what: "all by the second" });

  await fleet.edit("mail/send", `"second"`, `"third"`);
  await step(fleet, "deploy", "mail/send", "--canary", "25%");
  const mixed = await answersIn();
  const share = mixed.filter((text) => text === "third").length / mixed.length;
  assert.ok(share > 0.15 && share < 0.35, `a quarter by the canary: ${share}`);
  await step(fleet, "promote", "mail/send");
  await eventually(async () => (await answersIn()).every((text) => text === "third"), { what: "all by the third" });
  await step(fleet, "rollback", "mail/send");
  await eventually(async () => (await answersIn()).every((text) => text === "second"), { what: "the second again" });

  await fleet.edit("mail/deliver", "export default", "void 0;\nexport default");
  await step(fleet, "deploy", "mail/deliver");
  await step(fleet, "rollback", "mail/deliver");

  await load.stop();
  assert.equal([...load.answers.keys()], ["200"], JSON.stringify([...load.answers]));
  await settledMails(fleet, load);
});

deploys("under load, a version that fails is taken back by the fleet itself, and says so", async () => {
  await using load = startLoad(proxy, fleet.apis[0]?.token ?? "");
  await fleet.edit(
    "mail/send",
    "const idempotency =",
    `if (Math.random() < 2) throw new Error("a bug");\nconst idempotency =`,
  );
  const began = performance.now();
  await step(fleet, "deploy", "mail/send");
  await eventually(
    async () => {
      const { rows } = await fleet.database.query<{ action: string; reason: string }>(
        "SELECT action, reason FROM function_deploys ORDER BY id DESC LIMIT 1",
      );
      return rows[0]?.action === "rollback" && /calls on .* failed, more than 5 %/.test(rows[0].reason);
    },
    { what: "it is taken back", within: 10_000 },
  );
  const running = `SELECT FROM function_reports WHERE outcome = 'running'
    AND deploy_id = (SELECT max(id) FROM function_deploys WHERE function = 'mail/send')`;
  await eventually(async () => (await fleet.database.query(running)).rowCount === 2, {
    what: "both run the one before",
  });
  const took = performance.now() - began;
  assert.ok(took < 10_000, `${took} ms`);
  await pause(200); // What was under way is answered.
  load.answers.clear();
  await pause(1000);
  assert.equal([...load.answers.keys()], ["200"], "no failure after that");
  await load.stop();
  await settledMails(fleet, load);
  const { stdout } = await fleet.fn("versions", "mail/send");
  assert.match(stdout, /rollback .* failed, more than 5 %/);
});

deploys.run();
