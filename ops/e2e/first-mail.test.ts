/** The first five minutes: `npm start` with nothing configured, and what goes wrong there. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../harness/test.ts";
import { runFn } from "./fn.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const run = promisify(execFile);
const first = suite("the first mail");
first.after(stopAll);

let system: System;
let mailId = "";

/** One sentence for a person: no stack, no JSON, nothing else on any stream. */
function assertOneSentence({ stdout, stderr }: { stdout: string; stderr: string }): void {
  const lines = stderr.trim().split("\n");
  assert.is(lines.length, 1, `more than one line:\n${stderr}`);
  assert.match(lines[0] ?? "", /^error \S.*\.$/);
  assert.not.match(stdout + stderr, /\n\s+at |"level":"(error|fatal)"/);
}

first("an empty folder becomes a system that says how to use it", async () => {
  system = await startSystem();
  const token = (await readFile(join(system.dataDir, "admin-token"), "utf8")).trim();
  assert.is((await stat(join(system.dataDir, "admin-token"))).mode & 0o777, 0o600);

  const { stdout, stderr } = await system.output();
  assert.match(stderr, `http://localhost:${system.port}\n`);
  assert.match(stderr, `http://localhost:${system.port}/docs`);
  assert.match(stderr, /Embedded\s+PostgreSQL, queues/);
  assert.match(stderr, "sandbox inbox");
  assert.match(stderr, system.dataDir);
  assert.is(stderr.split(token).length, 2, "the token is shown once");
  assert.not.match(stdout, token, "the log holds no token");
  assert.match(stderr, `$(cat ${system.dataDir}/admin-token)`);
});

first("the printed command sends a mail, which arrives within a second", async () => {
  const { stderr } = await system.output();
  const command = /Send a mail\s+(curl .*)/.exec(stderr)?.[1];
  assert.ok(command, stderr);
  const { stdout } = await run("bash", ["-c", `${command} -sS`]);
  const answer: { success?: boolean; mail_id?: string; status?: string } = JSON.parse(stdout);
  assert.is(answer.success, true);
  assert.is(answer.status, "queued");
  mailId = answer.mail_id ?? "";

  const state = await system.settled(mailId, 1000);
  assert.is(state.status, "sent");
  assert.equal(await system.inbox(), [`${mailId}.1.eml`]);
  const mail = await readFile(join(system.dataDir, "inbox", `${mailId}.1.eml`), "utf8");
  assert.match(mail, "Subject: First mail");
  assert.match(mail, "It works.");
});

first("the printed way to look it up works, too", async () => {
  const { stderr } = await system.output();
  const command = /Its status\s+(curl .*)/.exec(stderr)?.[1]?.replace("<mail_id>", mailId);
  assert.ok(command, stderr);
  const { stdout } = await run("bash", ["-c", `${command} -sS`]);
  const answer: { status?: string } = JSON.parse(stdout);
  assert.is(answer.status, "sent");
});

first("the documentation it points to is there", async () => {
  const docs = await system.call("/docs", { token: null });
  assert.is(docs.status, 200);
  const { body } = await system.call("/openapi.json", { token: null });
  assert.ok(Object.keys(body["paths"] ?? {}).includes("/api/v1/mail/send"));
});

first("a second start on the same folder says so in one sentence", async () => {
  const second = await runFn(["start"], { env: { DATA_DIR: system.dataDir, API_PORT: "0" } });
  assert.is(second.code, 1);
  assertOneSentence(second);
  assert.match(second.stderr, `Another process (pid ${system.pid}) already runs on ${system.dataDir}`);
  assert.is((await system.status(mailId)).status, "sent", "the first is not disturbed");
});

first("stopped, started again: the same token, the same mail, and the token is not shown", async () => {
  const { token } = system;
  const exit = await system.stop();
  assert.equal({ code: exit.code, signal: exit.signal }, { code: 0, signal: null });
  const before = (await system.output()).stderr.length;

  await system.start();
  const state = await system.status(mailId);
  assert.is(state.status, "sent");
  const { stderr } = await system.output();
  assert.not.match(stderr.slice(before), token);
  assert.match(stderr.slice(before), `kept in ${system.dataDir}/admin-token`);
});

first("a port in use is one sentence", async () => {
  const busy = createServer().listen(0);
  await once(busy, "listening");
  try {
    const { port } = busy.address() as AddressInfo;
    const started = await runFn(["start"], { env: { API_PORT: String(port) } });
    assert.is(started.code, 1);
    assertOneSentence(started);
    assert.match(started.stderr, `Port ${port} is in use`);
  } finally {
    busy.close();
  }
});

first("a data folder that cannot be written is one sentence", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "a-file");
  await writeFile(file, "");
  const unmounted = join(folder, "volume");
  await symlink(join(folder, "nowhere"), unmounted);
  for (const dataDir of [join(file, "data"), join(unmounted, "data")]) {
    const started = await runFn(["start"], { env: { DATA_DIR: dataDir } });
    assert.is(started.code, 1);
    assertOneSentence(started);
    assert.match(started.stderr, dataDir);
  }
});

first("a database that cannot be reached is one sentence, soon, and without the password", async () => {
  const url = "postgres://postroom:very-secret-word@127.0.0.1:1/postroom";
  const started = await runFn(["start"], { env: { DATABASE_URL: url, API_PORT: "0" } });
  assert.is(started.code, 1);
  assert.ok(started.ms < 8000, `after ${started.ms} ms`);
  assertOneSentence(started);
  assert.match(started.stderr, "127.0.0.1:1/postroom");
  assert.not.match(started.stdout + started.stderr, "very-secret-word");
});

first.run();
