import { once } from "node:events";
import { watch as watchFiles } from "node:fs";
import { mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { pino } from "pino";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../ops/harness/eventually.ts";
import { bareSettings } from "../host/create.ts";
import { createRuntime } from "../runtime.ts";
import { saying, testProject } from "../testing-project.ts";
import { watch } from "./watch.ts";

/** Milliseconds, of a machine that does much else. */
const within = 30_000;

test("what is saved while the system starts is applied as soon as it has, and what is saved later, too", async () => {
  await using project = await testProject({ "functions/a.ts": saying("/a", "one") });
  const root = await realpath(project.root);
  await mkdir(join(root, "lib"), { recursive: true });
  const log = pino({ level: "silent" });
  const watcher = watch(root);
  const about = { root, title: "Test", version: "1", settings: bareSettings, resources: {} as never, log };
  const runtime = await createRuntime(about);
  const says = async (text: string) =>
    assert.equal(await (await runtime.fetch(new Request("http://x/a"))).json(), { said: text });
  await says("one");
  const beside = watchFiles(join(root, "functions"));
  const seen = once(beside, "change");
  await project.write("functions/a.ts", saying("/a", "two"));
  await seen;
  await turn();
  beside.close();
  watcher.begin(runtime, log);
  await eventually(() => says("two").then(() => true), { what: "the save is applied", within });
  await project.write("functions/a.ts", saying("/a", "three"));
  await eventually(() => says("three").then(() => true), { what: "the next one is, too", within });
  watcher.close();
  await runtime.stop();
});

test.run();
