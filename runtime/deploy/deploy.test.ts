import { test } from "uvu";
import * as assert from "uvu/assert";
import { OperatorError } from "../house.ts";
import { missingPackages, packagesIn } from "./platform.ts";
import { resolveName } from "./prepare.ts";
import { stepBack } from "./steps.ts";
import type { Deploy, DeployStore } from "./store.ts";

const known = ["health", "mail/send", "mail/send-batch", "auth/create-token", "crm/send"];

/** The exit code that a name ends with, or the name that it means. */
function meaning(name: string): string | number {
  try {
    return resolveName(name, known);
  } catch (error) {
    if (error instanceof OperatorError) return error.exitCode;
    throw error;
  }
}

test("a function is meant by its name, or by the end of it that no other has", () => {
  assert.is(meaning("mail/send"), "mail/send");
  assert.is(meaning("create-token"), "auth/create-token");
  assert.is(meaning("health"), "health");
  assert.is(meaning("send"), 11);
  assert.is(meaning("end"), 10);
  assert.is(meaning(""), 10);
});

test("a bundle's packages are told, and those of them that are missing", () => {
  const code = `require("typebox"); require("node:fs"); require("./lib/resources/x.ts"); import("no-such/deep"); require("fs")`;
  const packages = packagesIn(code);
  assert.equal(packages, ["no-such/deep", "typebox"]);
  assert.equal(missingPackages(`${import.meta.dirname}/../..`, packages), ["no-such/deep"]);
});

/** Steps one after the other, as a store would keep them. */
function steps(...made: Partial<Deploy>[]) {
  const all = made.map((one, index): Deploy => {
    const fresh = { function: "x", action: "deploy" as const, canary: undefined, previous: undefined, by: "me" };
    const state = { reason: undefined, state: "live" as const, at: new Date(), liveAt: new Date() };
    return { ...fresh, ...state, target: { kind: "bundle", hash: String(index + 1) }, ...one, id: String(index + 1) };
  });
  const find = async (id: string) => all.find((one) => one.id === id);
  // Of a store, going back asks for nothing else.
  const store = { find } as unknown as DeployStore;
  return { store, last: all.at(-1) ?? assert.unreachable() };
}

async function back({ store, last }: ReturnType<typeof steps>) {
  if (!last) throw new Error("there are steps");
  const step = await stepBack(store, last, { by: "me" });
  return step && { target: step.target, previous: step.previous, canary: step.canary };
}

const runs = (hash: string) => ({ kind: "bundle" as const, hash });

test("going back leads to what ran before, and again to what ran before that", async () => {
  assert.equal(await back(steps({}, { previous: "1" })), { target: runs("1"), previous: undefined, canary: undefined });
  const twice = steps(
    {},
    { previous: "1" },
    { previous: "2" },
    { action: "rollback", target: runs("2"), previous: "1" },
  );
  assert.equal(await back(twice), { target: runs("1"), previous: undefined, canary: undefined });
});

test("before the first deploy is what lies in the image, and before that is nothing", async () => {
  assert.equal(await back(steps({})), { target: { kind: "image" }, previous: undefined, canary: undefined });
  assert.is(await back(steps({ action: "rollback", target: { kind: "image" } })), undefined);
});

test("going back from a canary ends it, and from its promotion leads to what ran beside it", async () => {
  const canary = { action: "canary" as const, target: runs("1"), canary: { hash: "2", share: 0.1 } };
  assert.equal(await back(steps({}, canary)), { target: runs("1"), previous: undefined, canary: undefined });
  const promoted = steps({}, canary, { action: "promote", target: runs("2"), previous: "2" });
  assert.equal(await back(promoted), { target: runs("1"), previous: undefined, canary: undefined });
});

test.run();
