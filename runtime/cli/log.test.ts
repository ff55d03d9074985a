import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeError, withoutAddresses } from "./log.ts";

test("of an error its name, message, code and causes are logged, and nothing that a library hung on it", () => {
  const row = Object.assign(new Error("violates a constraint"), {
    code: "23514",
    detail: "Failing row contains (secret)",
  });
  const request = Object.assign(new Error("could not send", { cause: row }), {
    config: { headers: { key: "secret" } },
  });
  const described = describeError(request);
  assert.not.match(JSON.stringify(described), "secret");
  assert.match(JSON.stringify(described), `"cause":{"type":"Error","message":"violates a constraint","code":"23514"`);
});

test("an address that an error quotes is not legible, in its message, stack or cause", () => {
  const cause = new Error("550 5.1.1 <spy.one@secret.example>: unknown user, see RCPT TO:<spy@mail.secret.example>");
  const told = JSON.stringify(describeError(new Error("refused for 'spy.two@secret.example'", { cause })));
  assert.not.match(told, /spy/);
  assert.match(told, "<sp***@secret.example>: unknown user, see RCPT TO:<sp***@mail.secret.example>");
  const path = "at file:///app/node_modules/@azure/msal-node/dist/index.js:1:2";
  assert.is(withoutAddresses(path), path);
});

test("errors that are their own cause, and things that are no errors, do no harm", () => {
  const loop = new Error("loop");
  loop.cause = loop;
  assert.ok(JSON.stringify(describeError(loop)));
  assert.equal(describeError("a text that may be anything"), { type: "string" });
});

test.run();
