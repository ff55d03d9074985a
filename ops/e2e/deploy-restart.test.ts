/** A fleet is restarted process by process under load, and goes on with what is deployed. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { settledMails, startFleet, startLoad, step, type Fleet } from "./deploy.fixture.ts";
import { servedBy, startProxy, type Proxy } from "./proxy.ts";
import { stopAll } from "./system.ts";

const deploys = suite("restarting a fleet");
let fleet: Fleet;
let proxy: Proxy;

deploys.before(async () => {
  fleet = await startFleet();
  proxy = await startProxy(fleet.apis);
  await servedBy(proxy, "api", 1, 2);
  await fleet.edit("mail/send", "said[status]", `"second"`);
  await step(fleet, "deploy", "mail/send");
});
deploys.after(async () => {
  await stopAll();
  await fleet.close();
});

deploys("under load, every process is started anew, one after the other, and nothing is lost", async () => {
  await using load = startLoad(proxy, fleet.apis[0]?.token ?? "");
  for (const worker of fleet.workers) {
    assert.equal(await worker.stop(), { code: 0, signal: null });
    await worker.start();
  }
  for (const [index, api] of fleet.apis.entries()) {
    const stopping = api.stop();
    await servedBy(proxy, "api", 2 - index);
    assert.equal(await stopping, { code: 0, signal: null });
    await api.start();
    await servedBy(proxy, "api", 1, 2);
    assert.is((await api.send()).body["message"], "second", "it runs what is deployed");
  }
  await load.stop();
  assert.equal([...load.answers.keys()], ["200"], JSON.stringify([...load.answers]));
  await settledMails(fleet, load);
});

deploys.run();
