import { Type } from "typebox";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Access } from "../access.ts";
import type { AnsweredCall } from "../host/host.ts";
import { http, Problem, reply } from "../index.ts";
import { tryFunction } from "../testing.ts";

/** Lets Ada in; knows Bob, and refuses him; does not know anybody else. */
const onlyAda: Access<{ name: string }> = {
  name: "Ada",
  check(request) {
    const name = request.header("x-name");
    if (name !== "Ada" && name !== "Bob") throw new Problem(401, "stranger", "Who is it?");
    request.caller = { name };
    if (name === "Bob") throw new Problem(403, "not_bob", "Not Bob");
    return { name };
  },
};

const greet = http
  .post("/greet/:whom", {
    access: onlyAda,
    params: Type.Object({ whom: Type.String() }),
    body: Type.Object({ words: Type.String() }),
    returns: Type.Object({ said: Type.String() }),
    status: [200, 202],
  })
  .handle(({ params, body }) => {
    if (body.words === "") throw new Problem(422, "speechless", "Say something");
    const said = { said: `${body.words}, ${params.whom}` };
    return body.words === "Later" ? reply(202, said) : said;
  });

/** What is told of the calls of a function. */
async function told(calls: readonly [name: string, words?: unknown][]): Promise<AnsweredCall[]> {
  const all: AnsweredCall[] = [];
  const tried = tryFunction(greet, { onCall: (call) => void all.push(call) });
  for (const [name, words] of calls) {
    const { status } = await tried.fetch("/greet/Ann%20Lee", { headers: { "x-name": name }, body: { words } });
    assert.is(status, all.at(-1)?.status, "told once it has been answered, and as it was answered");
  }
  return all;
}

test("of every call it is told who called what, and how it ended", async () => {
  const [call, ...others] = await told([["Ada", "Hello"]]);
  assert.is(others.length, 0);
  const { durationMs = 0, params, ...rest } = call ?? {};
  assert.equal({ ...params }, { whom: "Ann%20Lee" }, "as it was sent");
  assert.ok(durationMs > 0 && durationMs < 5000, String(durationMs));
  assert.equal(rest, {
    function: "tried",
    method: "POST",
    path: "/greet/:whom",
    status: 200,
    ip: undefined,
    caller: { name: "Ada" },
    reply: { said: "Hello, Ann Lee" },
  });
});

test("also of one that failed or was refused, with its caller as soon as that is known", async () => {
  const calls = await told([
    ["Ada", "Later"],
    ["Ada", ""],
    ["Ada", 7],
    ["Bob", "Hello"],
    ["Eve", "Hello"],
  ]);
  assert.equal(
    calls.map(({ status, caller, reply: answer }) => [status, caller, answer]),
    [
      [202, { name: "Ada" }, { said: "Later, Ann Lee" }],
      [422, { name: "Ada" }, undefined],
      [400, { name: "Ada" }, undefined],
      [403, { name: "Bob" }, undefined],
      [401, undefined, undefined],
    ],
  );
});

test("also of one whose time was up, once", async () => {
  const all: AnsweredCall[] = [];
  const { promise: never, resolve } = Promise.withResolvers<{ said: string }>();
  const slow = http
    .get("/slow", { access: onlyAda, returns: Type.Object({ said: Type.String() }), timeLimitMs: 50 })
    .handle(() => never);
  const { fetch } = tryFunction(slow, { onCall: (call) => void all.push(call) });
  assert.is((await fetch("/slow", { headers: { "x-name": "Ada" } })).status, 504);
  resolve({ said: "too late" });
  await never;
  assert.equal(
    all.map(({ status, caller }) => [status, caller]),
    [[504, { name: "Ada" }]],
  );
});

test("a fault in the telling is no affair of the caller", async () => {
  const tried = tryFunction(greet, {
    onCall() {
      throw new Error("the log is broken");
    },
  });
  assert.is((await tried.fetch("/greet/Ann", { headers: { "x-name": "Ada" }, body: { words: "Hello" } })).status, 200);
});

test.run();
