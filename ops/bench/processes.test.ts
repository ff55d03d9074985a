import { spawn } from "node:child_process";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/eventually.ts";
import { cpuSeconds, machineCpuSeconds, peakBytes, treeBytes, treeCpuSeconds } from "./processes.ts";

const test = suite("what processes use");

/** Uses so much processor time and no less, however busy the machine is. */
const work = "while (process.cpuUsage().user < 300_000);";

test("processor time of what a process has started is its own, also once that has ended", async () => {
  const before = machineCpuSeconds();
  const script = `"$0" -e '${work}'; read line`;
  const shell = spawn("/bin/sh", ["-c", script, process.execPath], { stdio: ["pipe", "ignore", "inherit"] });
  const pid = shell.pid ?? 0;
  await eventually(() => treeCpuSeconds(pid) >= 0.3, { what: "the child has worked", within: 60_000 });
  assert.ok(cpuSeconds(pid) < 0.3, `the shell itself: ${cpuSeconds(pid)} s`);
  assert.ok(machineCpuSeconds() - before >= 0.2, "the machine has worked as well");
  shell.stdin.end();
  await once(shell, "exit");
});

test("so is its memory", async () => {
  const shell = spawn("/bin/sh", ["-c", '"$0" -e "process.stdin.resume()"; :', process.execPath], { stdio: ["pipe"] });
  const pid = shell.pid ?? 0;
  // A shell has one or two megabytes, Node some forty.
  await eventually(() => treeBytes(pid) > 20 * 2 ** 20, { what: "Node has started", within: 60_000 });
  assert.ok(peakBytes(pid) < 10 * 2 ** 20, `the shell itself: ${peakBytes(pid)} bytes`);
  shell.stdin.end();
  await once(shell, "exit");
});

if (process.platform === "linux") test.run();
