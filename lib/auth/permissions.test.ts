import { test } from "uvu";
import * as assert from "uvu/assert";
import { Caller } from "./caller.ts";
import { parsePermission, permissions } from "./permissions.ts";

const cases: [text: string, permission: string | undefined][] = [
  ["mail:send", "mail:send"],
  ["mail.send", "mail:send"],
  [" mail.cancel ", "mail:cancel"],
  ["admin", "admin"],
  ["mail", undefined],
  ["mail:delete", undefined],
  ["mail.send.all", undefined],
  ["Admin", undefined],
  ["", undefined],
  ["constructor", undefined],
];
for (const [text, permission] of cases) {
  test(`"${text}" is ${permission ?? "no permission"}`, () => assert.is(parsePermission(text), permission));
}

const caller = (granted: readonly string[]) =>
  new Caller({ id: "t", client_id: "client_a", client_name: "A", department: null, permissions: granted });

test("a client may do what its token names and nothing else; an admin everything", () => {
  for (const granted of permissions) {
    for (const asked of permissions) {
      assert.is(caller([granted]).may(asked), granted === asked || granted === "admin", `${granted}, ${asked}`);
    }
  }
  for (const asked of permissions) assert.not(caller([]).may(asked));
});

test("a client reads its own mail, an admin everybody's", () => {
  assert.ok(caller(["mail:read"]).mayRead("client_a"));
  assert.not(caller(["mail:read"]).mayRead("client_b"));
  assert.ok(caller(["admin"]).mayRead("client_b"));
});

test.run();
