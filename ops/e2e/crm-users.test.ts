/** The CRM's users: signing in, what ends it, and who may change whom. */
import { randomUUID } from "node:crypto";
import jwt from "jsonwebtoken";
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { dataOf, Exactly, PageOf, problemOf, startCrm, type Crm, type CrmPerson } from "./crm.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("users of the CRM");

let crm: Crm;
/** Another container on the same database. */
let other: System;

story.before(async () => {
  crm = await startCrm({ env: { FUNCTIONS: "health,crm/auth/*,crm/users/*", TRUSTED_PROXIES: "127.0.0.0/8" } });
  other = await startSystem({ env: { ...crm.env }, token: "none" });
});
story.after(async () => {
  await stopAll();
  await crm.close();
});

const Role = Type.Union([Type.Literal("admin"), Type.Literal("marketing"), Type.Literal("customer_service")]);
const OrNull = (schema: ReturnType<typeof Type.String>) => Type.Union([schema, Type.Null()]);
const person = { id: Type.Integer(), username: Type.String(), full_name: OrNull(Type.String()), role: Role };
const SignedIn = Exactly({
  access_token: Type.String(),
  token_type: Type.Literal("Bearer"),
  expires_in: Type.Literal(3600),
  user: Exactly(person),
});
const Me = Exactly({ ...person, email: Type.String(), last_login_at: OrNull(Type.String()) });
const User = Exactly({
  ...person,
  email: Type.String(),
  is_active: Type.Boolean(),
  last_login_at: OrNull(Type.String()),
  created_at: Type.String(),
  updated_at: OrNull(Type.String()),
});

let addresses = 0;
/** Each from an address of its own unless told: limits are stories of their own. */
const signIn = (
  { username, password }: { username: string; password: string },
  { system = crm.system, ip = `203.0.113.${++addresses}` } = {},
) => {
  const headers = { "x-forwarded-for": ip };
  return system.call("/api/v1/auth/login", { method: "POST", token: null, body: { username, password }, headers });
};
const tokenOf = async (who: { username: string; password: string }, system = crm.system) =>
  dataOf(await signIn(who, { system }), SignedIn).access_token;

const me = (token: string | null, system: System = crm.system) => system.call("/api/v1/auth/me", { token });

const long = { within: 20_000 };
/** Waits until a token has ended in both containers. */
async function ended(token: string): Promise<void> {
  for (const system of [crm.system, other]) {
    await eventually(async () => (await me(token, system)).status === 401, { what: "the token has ended", ...long });
  }
}

const aUser = (more: object = {}) => {
  const username = `mei-${randomUUID().slice(0, 8)}`;
  return { username, email: `${username}@hotel.example`, password: randomUUID(), role: "marketing", ...more };
};

story("somebody signs in by name or address, in any case, and is who he says", async () => {
  const mei = aUser({ full_name: "王小美" });
  const { id } = dataOf(await crm.post("/users", mei), User);
  for (const username of [mei.username.toUpperCase(), ` ${mei.email.toUpperCase()} `]) {
    const data = dataOf(await signIn({ ...mei, username }), SignedIn);
    assert.equal(data.user, { id, username: mei.username, full_name: "王小美", role: "marketing" });
    const { exp = 0, iat = 0, ...claims } = jwt.decode(data.access_token) as jwt.JwtPayload;
    assert.equal([exp - iat, claims.sub], [3600, String(id)]);
    const shown = dataOf(await me(data.access_token), Me);
    assert.equal([shown.id, shown.email], [id, mei.email]);
    assert.ok(Math.abs(Date.parse(shown.last_login_at ?? "") - Date.now()) < 60_000);
  }
});

story("a token that holds gets a fresh hour; one that does not, and none, get nothing", async () => {
  const token = await tokenOf(crm.admin);
  const refresh = (given: string | null) => crm.post("/auth/refresh", undefined, { token: given });
  const { access_token, user } = dataOf(await refresh(token), SignedIn);
  assert.is(user.id, crm.admin.id);
  assert.is((await me(access_token)).status, 200);
  const claims = jwt.decode(token) as jwt.JwtPayload;
  const secret = crm.env["JWT_SECRET"] ?? "";
  const past = jwt.sign({ ...claims, exp: Math.floor(Date.now() / 1000) - 1 }, secret);
  const forged = [past, jwt.sign(claims, "another secret"), jwt.sign(claims, "", { algorithm: "none" })];
  const others = [{ iss: "mail-proxy" }, { sub: "999999" }, { sub: "1 OR 1=1" }, { ver: 0 }, { ver: "1" }];
  for (const bad of [...forged, ...others.map((more) => jwt.sign({ ...claims, ...more }, secret)), "x.y.z"]) {
    const answer = await refresh(bad);
    assert.is(problemOf(answer, 401).message, "The token is not valid, or has ended: sign in again");
    assert.is(answer.headers.get("www-authenticate"), "Bearer");
  }
  problemOf(await refresh(null), 401);
});

story("who is unknown, who mistypes and who is deactivated are answered alike", async () => {
  const mei = await crm.person("marketing");
  const gone = await crm.person("marketing");
  await crm.put(`/users/${gone.id}`, { is_active: false });
  const nobody = { username: "nobody", password: "whatever it is" };
  const wrong = [nobody, gone, { ...mei, password: `${mei.password} ` }, { ...mei, password: "x" }];
  const refused = await Promise.all(wrong.map(async (who) => problemOf(await signIn(who), 401)));
  assert.is(new Set(refused.map(({ message, errors }) => JSON.stringify([message, errors]))).size, 1);
  const missing = problemOf(await crm.post("/auth/login", { username: "mei" }, { token: null }), 400);
  assert.equal([missing.message, missing.errors[0]?.field], ["Invalid request parameters", "password"]);
});

story("five tries a minute for a name from an address, and twenty for the address", async () => {
  const mei = await crm.person("marketing");
  const tries = (count: number, username: string, ip: string) =>
    Promise.all(Array.from({ length: count }, () => signIn({ username, password: "wrong" }, { ip })));
  const statuses = (answers: { status: number }[]) => answers.map(({ status }) => status).toSorted();
  const answers = await tries(7, mei.username, "198.51.100.1");
  assert.equal(statuses(answers), [401, 401, 401, 401, 401, 429, 429]);
  const refused = answers.find(({ status }) => status === 429);
  assert.match(refused?.headers.get("retry-after") ?? "", /^[1-6]?\d$/);
  assert.is(problemOf(await signIn(mei, { ip: "198.51.100.1" }), 429).errors.length, 0);
  const elsewhere = await signIn(mei, { ip: "198.51.100.2" });
  assert.is(elsewhere.status, 200, "nobody can lock another one out");

  // Of twenty, five have been used, and the refused ones do not count.
  for (const role of ["admin", "marketing", "customer_service"] as const) {
    const { username } = await crm.person(role);
    assert.equal(statuses(await tries(5, username, "198.51.100.1")), Array(5).fill(401));
  }
  assert.equal(statuses(await tries(2, crm.admin.username, "198.51.100.1")), [429, 429]);
});

story("a new password ends all of a user's tokens in every container", async () => {
  const mei = await crm.person("marketing");
  const tokens = [await tokenOf(mei), await tokenOf(mei, other)];
  for (const token of tokens)
    for (const system of [crm.system, other]) assert.is((await me(token, system)).status, 200);
  const put = (body: object) => crm.put("/auth/password", body, { token: tokens[0] ?? null });
  const fresh = randomUUID();
  const fault = async (body: object) => problemOf(await put(body), 400).errors;
  assert.equal(await fault({ current_password: "wrong", new_password: fresh }), [
    { field: "current_password", message: "is not your password" },
  ]);
  assert.equal(await fault({ current_password: mei.password, new_password: mei.password }), [
    { field: "new_password", message: "must be another one" },
  ]);
  assert.equal(await fault({ current_password: mei.password, new_password: mei.username.toUpperCase() }), [
    { field: "new_password", message: "must not be the user name" },
  ]);
  const changed = await put({ current_password: mei.password, new_password: fresh });
  dataOf(changed, Type.Null());
  for (const token of tokens) await ended(token);
  problemOf(await signIn(mei), 401);
  // At once and elsewhere: a token that is newer than what the other container has in mind is not refused.
  const token = await tokenOf({ ...mei, password: fresh });
  assert.equal([(await me(token)).status, (await me(token, other)).status], [200, 200]);
});

story("guessing one's own password is limited, too", async () => {
  const { token } = await crm.person("customer_service");
  const body = { current_password: "wrong", new_password: randomUUID() };
  const answers = await Promise.all(Array.from({ length: 6 }, () => crm.put("/auth/password", body, { token })));
  assert.equal(answers.map(({ status }) => status).toSorted(), [400, 400, 400, 400, 400, 429]);
});

story("whom an admin deactivates is out in every container, and a new role holds", async () => {
  const mei = await crm.person("marketing");
  const token = await tokenOf(mei);
  assert.is((await me(token, other)).status, 200);
  problemOf(await crm.get("/users", { token }), 403);
  const promoted = dataOf(await crm.put(`/users/${mei.id}`, { role: "admin", full_name: "Mei" }), User);
  assert.equal([promoted.role, promoted.full_name, promoted.username], ["admin", "Mei", mei.username]);
  const isIn = async () => (await other.call("/api/v1/users", { token })).status === 200;
  await eventually(isIn, { what: "the role holds", ...long });
  assert.is(dataOf(await crm.put(`/users/${mei.id}`, { is_active: false }), User).is_active, false);
  await ended(token);
  problemOf(await signIn(mei), 401);
  dataOf(await crm.put(`/users/${mei.id}`, { is_active: true }), User);
  dataOf(await signIn(mei), SignedIn);
  await ended(token);
});

story("users are listed, in pages, without their passwords", async () => {
  const added = [await crm.person("admin"), await crm.person("marketing")];
  const page = dataOf(await crm.get("/users?page_size=100"), PageOf(User));
  assert.is(page.total, page.items.length);
  const ids = page.items.map(({ id }) => id);
  for (const { id } of added) assert.ok(ids.includes(id));
  const second = dataOf(await crm.get("/users?page=2&page_size=1"), PageOf(User));
  assert.equal([second.items[0]?.id, second.total_pages], [ids[1], page.total]);
});

story("names and addresses are one user's", async () => {
  const mei = await crm.person("marketing");
  const same: [string, object][] = [
    ["username", { username: mei.username.toUpperCase() }],
    ["email", { email: mei.email.toUpperCase() }],
  ];
  const another = await crm.person("marketing");
  for (const [field, what] of same) {
    const expected = { field, message: "is another user's" };
    assert.equal(problemOf(await crm.post("/users", aUser(what)), 409).errors, [expected]);
    assert.equal(problemOf(await crm.put(`/users/${another.id}`, what), 409).errors, [expected]);
  }
  dataOf(await crm.put(`/users/${mei.id}`, { username: mei.username.toUpperCase() }), User);
});

story("what a user is made of is checked", async () => {
  const wrong: [field: string, what: object][] = [
    ["username", { username: "" }],
    ["username", { username: "mei@hotel.example" }],
    ["username", { username: "a b" }],
    ["username", { username: "x".repeat(51) }],
    ["email", { email: "mei" }],
    ["email", { email: `${"x".repeat(90)}@hotel.example` }],
    ["password", { password: "seven77" }],
    ["password", { password: "x".repeat(73) }],
    ["password", { password: "密".repeat(25) }],
    ["password", { username: "somebody", password: "SomeBody" }],
    ["role", { role: "owner" }],
    ["full_name", { full_name: "x".repeat(101) }],
    ["full_name", { full_name: "a\u0000b" }],
  ];
  for (const [field, what] of wrong) {
    const { errors } = problemOf(await crm.post("/users", aUser(what)), 400);
    assert.is(errors[0]?.field, field, JSON.stringify({ what, errors }));
  }
  dataOf(await crm.post("/users", aUser({ password: "eight888" })), User);
  const longest = aUser({ password: "密".repeat(24) });
  dataOf(await crm.post("/users", longest), User);
  dataOf(await signIn(longest), SignedIn);
  problemOf(await signIn({ ...longest, password: `${longest.password}!` }), 401);
  problemOf(await crm.put("/users/999999", { full_name: "X" }), 404);
  problemOf(await crm.put("/users/0", { full_name: "X" }), 400);
});

story("of the last admins that demote each other, one stays", async () => {
  const chiefs: CrmPerson[] = [crm.admin];
  for (let n = 0; n < 3; n++) chiefs.push(await crm.person("admin"));
  const ids = chiefs.map(({ id }) => id);
  await crm.database.query("UPDATE users SET is_active = false WHERE role = 'admin' AND id <> ALL($1)", [ids]);
  const changes = [{ role: "marketing" }, { is_active: false }];
  const answers = await Promise.all(
    chiefs.map(({ id, token }, n) => other.call(`/api/v1/users/${id}`, { method: "PUT", token, body: changes[n % 2] })),
  );
  assert.equal(answers.map(({ status }) => status).toSorted(), [200, 200, 200, 409]);
  const left = chiefs[answers.findIndex(({ status }) => status === 409)];
  for (const answer of answers.filter(({ status }) => status === 409)) {
    assert.is(problemOf(answer, 409).message, "The last admin cannot be demoted or deactivated");
  }
  assert.is((await me(left?.token ?? null)).status, 200);
  const { rows } = await crm.database.query("SELECT id FROM users WHERE role = 'admin' AND is_active");
  assert.is(rows.length, 1);
});

story("no password and no token is in the log", async () => {
  const { stdout, stderr } = await crm.system.output();
  assert.not.match(stdout + stderr, crm.admin.password);
  assert.not.match(stdout + stderr, /eyJ[\w-]+\.eyJ|\$2b\$/);
});

story.run();
