/** What happens while the server is away, or comes and goes. */
import * as assert from "uvu/assert";
import { eventually } from "../../../../ops/harness/test.ts";
import { refused } from "../conformance.fixture.ts";
import { done, type World } from "./world.fixture.ts";

export function connectionStories(world: World): void {
  const { test, open, freshQueue, collect, startLink } = world;

  test("with the server away publishing fails at once; when it is back, all goes on by itself", async () => {
    const { name } = await freshQueue();
    const link = await startLink(world.url);
    const mine = await open(link.url);
    const { got, drain } = await collect(name, () => done, mine);
    await mine.publish(name, "before");
    await eventually(() => got.length === 1, { what: "delivery before" });

    link.cut();
    const start = performance.now();
    await refused(mine.publish(name, "during"), /./);
    assert.ok(performance.now() - start < 1000);
    await eventually(() => !mine.isConnected(), { what: "it knows" });
    await refused(mine.publish(name, "during"), /away/);

    await link.restore();
    await eventually(() => mine.isConnected(), { what: "connected again" });
    await mine.publish(name, "after");
    await eventually(() => got.some(({ message }) => message === "after"), { what: "delivery after" });
    assert.not(
      got.some(({ message }) => message === "during"),
      "what was refused is not sent later",
    );
    await drain();
  });

  test("a lost connection rejects the publishes that wait for their confirmation", async () => {
    const { name } = await freshQueue();
    const link = await startLink(world.url);
    const mine = await open(link.url);
    await mine.publish(name, 0);
    link.freeze();
    const waiting = Promise.allSettled(Array.from({ length: 50 }, (_, n) => mine.publish(name, n)));
    link.cut();
    const start = performance.now();
    const results = await waiting;
    assert.ok(performance.now() - start < 1000);
    assert.ok(results.every(({ status }) => status === "rejected"));
  });

  test("it opens, declares and closes without the server, and starts to work when that comes", async () => {
    const link = await startLink(world.url);
    link.cut();
    const mine = await open(link.url);
    const name = world.newName();
    await mine.declare([{ name, retryDelaysMs: [] }]);
    const { got } = await collect(name, () => done, mine);
    assert.not(mine.isConnected());
    await refused(mine.publish(name, 1), /away/);

    const other = await world.driver.open(link.url);
    const start = performance.now();
    await other.close();
    await other.close();
    assert.ok(performance.now() - start < 1000);

    await link.restore();
    await eventually(() => mine.isConnected(), { what: "connected" });
    await mine.publish(name, 1);
    await eventually(() => got.length === 1, { what: "the delivery" });
  });

  test("it closes quickly when the server hangs", async () => {
    const { name } = await freshQueue();
    const link = await startLink(world.url);
    const mine = await open(link.url);
    const { got } = await collect(name, () => done, mine);
    await mine.publish(name, 1);
    await eventually(() => got.length === 1, { what: "the delivery" });
    link.freeze();
    const start = performance.now();
    await mine.close();
    assert.ok(performance.now() - start < 1000);
  });
}
