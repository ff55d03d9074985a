/** `fn user`, as an operator uses it beside a running system. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { startCrm, type Crm } from "./crm.ts";
import { runFn } from "./fn.ts";
import { stopAll } from "./system.ts";

const story = suite("fn user");

let crm: Crm;
story.before(async () => void (crm = await startCrm({ env: { FUNCTIONS: "health,crm/auth/*" } })));
story.after(async () => {
  await stopAll();
  await crm.close();
});

const fn = (...args: string[]) => runFn(["user", ...args], { env: crm.env, within: 60_000 });
const signIn = (username: string, password: string) => crm.post("/auth/login", { username, password }, { token: null });

story("an operator makes a user, whose password is shown once", async () => {
  const made = await fn("create", "operator", "--email", "operator@hotel.example", "--role", "admin");
  assert.equal([made.code, made.stderr], [0, "User operator (admin). Keep the password: it is not shown again.\n"]);
  assert.is((await signIn("operator", made.stdout.trim())).status, 200);
  assert.match((await fn("list")).stdout, /operator +operator@hotel\.example +admin/);
});

story("what is wrong is said in a sentence", async () => {
  const create = (username: string, ...more: string[]) =>
    fn("create", username, "--email", "x@hotel.example", "--role", "admin", ...more);
  const again = await create(crm.admin.username.toUpperCase());
  assert.equal([again.code, again.stderr], [1, "error username is another user's\n"]);
  const short = await create("x", "--password", "short");
  assert.match(short.stderr, "error The password must be at least 8 bytes long");
  assert.match((await fn("disable", "nobody")).stderr, "error No user is called nobody");
});

story("a user gets another password, and is disabled, which ends what he is signed in with", async () => {
  const { username, email, token } = await crm.person("marketing");
  const isOut = async () => (await crm.get("/auth/me", { token })).status === 401;
  const given = await fn("password", email.toUpperCase(), "--password", "their own one", "--json");
  assert.not.match(given.stdout + given.stderr, "their own one");
  await eventually(isOut, { what: "the token has ended", within: 20_000 });
  assert.is((await signIn(username, "their own one")).status, 200);
  assert.is((await fn("disable", username)).stdout, `User ${username} is not active.\n`);
  assert.is((await signIn(username, "their own one")).status, 401);
});

story.run();
