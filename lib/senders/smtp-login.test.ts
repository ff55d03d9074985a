/** TLS and signing in at a relay. */
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeCertificate, type Certificate } from "../../ops/e2e/stand-ins/certificate.ts";
import { startLogin, type Application, type LoginStandIn } from "../../ops/e2e/stand-ins/login.ts";
import { startRelay, type RelayStandIn, type RelayStandInOptions } from "../../ops/e2e/stand-ins/smtp-relay.ts";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import { chooseSender } from "./choose.ts";
import { classify, type Verdict } from "./classify.ts";
import { sealRelay } from "./own-relay.ts";

const test = suite<{ certificate: Certificate; login: LoginStandIn; application: Application }>(
  "signing in at a relay",
);

test.before(async (state) => {
  state.certificate = await makeCertificate();
  state.login = await startLogin();
  state.application = state.login.register();
  setDefaultCACertificates([...getCACertificates(), state.certificate.cert, state.login.cert]);
});
const opened: { close(): Promise<void> }[] = [];
test.after.each(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});
test.after(({ login }) => login.close());

const password = `${confidential} päss`;
const user = "mailer@acme.example";
const mail: OutgoingMail = {
  id: "0c8ba7f6-0000-4000-8000-000000000001",
  attempt: 1,
  source: "schedule",
  clientId: "schedule",
  from: "sales@acme.example",
  to: ["ann@example.com"],
  cc: [],
  bcc: [],
  names: {},
  subject: "The offer",
  text: "42 each",
  html: undefined,
  createdAt: new Date(),
  attachments: [],
};

async function relayWith(options: RelayStandInOptions): Promise<RelayStandIn> {
  const relay = await startRelay(options);
  relay.passwords.set(user, password);
  opened.push(relay);
  return relay;
}

async function contextFor(relay: RelayStandIn, env: Record<string, string>): Promise<TestContext> {
  const context = await openContext({ env: { SMTP_HOST: relay.host, SMTP_PORT: String(relay.port), ...env } });
  opened.push(context);
  return context;
}

async function send({ ctx }: TestContext, given: Partial<OutgoingMail> = {}): Promise<Verdict> {
  const one = { ...mail, ...given };
  const sender = await chooseSender(ctx, one);
  assert.is(sender.name, "smtp");
  return classify(await sender.send(one, ctx), Date.now());
}

const signedIn = { SMTP_USER: user, SMTP_PASSWORD: password };

test("STARTTLS comes before the password and the mail", async ({ certificate }) => {
  const relay = await relayWith({ certificate });
  const verdict = await send(await contextFor(relay, signedIn));
  assert.is(verdict.kind, "accepted", verdict.reason);
  assert.equal([relay.messages[0]?.secure, relay.messages[0]?.user], [true, user]);
});

test("so does TLS from the first byte", async ({ certificate }) => {
  const relay = await relayWith({ certificate, implicit: true });
  const verdict = await send(await contextFor(relay, { ...signedIn, SMTP_SECURE: "tls" }));
  assert.is(verdict.kind, "accepted", verdict.reason);
  assert.is(relay.messages[0]?.secure, true);
});

test("without TLS asked for, it is taken where it is offered", async ({ certificate }) => {
  const relay = await relayWith({ certificate, open: true });
  assert.is((await send(await contextFor(relay, { SMTP_SECURE: "none" }))).kind, "accepted");
  assert.is(relay.messages[0]?.secure, true);
});

test("and where it is not, the mail goes without", async () => {
  const relay = await relayWith({ open: true });
  assert.is((await send(await contextFor(relay, { SMTP_SECURE: "none" }))).kind, "accepted");
  assert.is(relay.messages[0]?.secure, false);
});

test("a relay that offers no STARTTLS gets neither password nor mail", async () => {
  const relay = await relayWith({});
  const verdict = await send(await contextFor(relay, signedIn));
  assert.equal([verdict.kind, verdict.code], ["transient", "ETLS"]);
  assert.is(relay.messages.length, 0);
});

test("nor does one whose certificate nobody knows", async () => {
  for (const secure of ["starttls", "tls", "none"]) {
    const relay = await relayWith({ certificate: await makeCertificate(), implicit: secure === "tls" });
    const verdict = await send(await contextFor(relay, { ...signedIn, SMTP_SECURE: secure }));
    assert.equal([verdict.kind, verdict.code], ["transient", "DEPTH_ZERO_SELF_SIGNED_CERT"], secure);
  }
});

test("a wrong password fails the mail", async ({ certificate }) => {
  const relay = await relayWith({ certificate });
  const verdict = await send(await contextFor(relay, { ...signedIn, SMTP_PASSWORD: `${confidential} wrong` }));
  assert.equal([verdict.kind, verdict.code], ["permanent", "smtp_535"]);
  assert.match(verdict.reason, "sign-in: 5.7.8");
  assert.not.match(verdict.reason, confidential);
});

test("a sign-in that is not possible now is tried again", async ({ certificate }) => {
  const relay = await relayWith({ certificate });
  relay.next({ step: "login", does: "reply", reply: 454, text: "4.7.0 temporary authentication failure" });
  const context = await contextFor(relay, signedIn);
  const verdict = await send(context);
  assert.equal([verdict.kind, verdict.code], ["transient", "smtp_454"]);
  assert.is((await send(context)).kind, "accepted");
});

test("who does not sign in where that is due is refused", async ({ certificate }) => {
  const relay = await relayWith({ certificate });
  const verdict = await send(await contextFor(relay, {}));
  assert.equal([verdict.kind, verdict.code], ["permanent", "smtp_530"]);
});

const microsoft = ({ tenantId, clientId, clientSecret }: Application) => ({
  MICROSOFT_TENANT_ID: tenantId,
  MICROSOFT_CLIENT_ID: clientId,
  MICROSOFT_CLIENT_SECRET: clientSecret,
  SMTP_AUTH: "oauth2",
  SMTP_USER: user,
});

async function relayWithTokens({ certificate, login }: { certificate: Certificate; login: LoginStandIn }) {
  const takesToken = (token: string) => login.grantOf(token)?.audience === "https://outlook.office365.com";
  return await relayWith({ certificate, takesToken });
}

test("a Microsoft application signs in with a token, which connections share", async (state) => {
  const { login, application } = state;
  const relay = await relayWithTokens(state);
  const context = await contextFor(relay, { ...login.env, ...microsoft(application) });
  login.reset();
  const verdicts = await Promise.all(Array.from({ length: 5 }, () => send(context)));
  assert.ok(verdicts.every(({ kind }) => kind === "accepted"));
  assert.ok(relay.messages.every((message) => message.user === user));
  assert.is(login.logins, 1);
});

test("a token that was revoked is replaced", async (state) => {
  const { login, application } = state;
  const relay = await relayWithTokens(state);
  const context = await contextFor(relay, { ...login.env, ...microsoft(application) });
  assert.is((await send(context)).kind, "accepted");
  login.revokeTokens();
  relay.hangUp();
  const verdict = await send(context);
  assert.is(verdict.kind, "accepted", verdict.reason);
});

test("an application that the login refuses fails the mail, a login that is busy does not", async (state) => {
  const { login, application } = state;
  const relay = await relayWithTokens(state);
  const wrong = { ...application, clientSecret: `${confidential} wrong` };
  const refused = await send(await contextFor(relay, { ...login.env, ...microsoft(wrong) }));
  assert.equal([refused.kind, refused.code], ["permanent", "login_invalid_client"]);
  const context = await contextFor(relay, { ...login.env, ...microsoft(application) });
  login.next("token", { kind: "status", status: 503 });
  const busy = await send(context);
  assert.is(busy.kind, "transient", busy.code);
  assert.is((await send(context)).kind, "accepted");
});

test("a mail's own relay comes before that of the environment, with its own password", async ({ certificate }) => {
  const [house, own] = [await relayWith({ certificate }), await relayWith({ certificate })];
  own.passwords.set("own@acme.example", `${confidential} own`);
  const context = await contextFor(house, signedIn);
  const { host, port } = own;
  const auth = { kind: "password", user: "own@acme.example", password: `${confidential} own` } as const;
  const relay = sealRelay(context.ctx, { host, port, secure: "starttls", from: undefined, auth }, mail.id);
  assert.not.match(JSON.stringify(relay), confidential, "it does not lie there open");
  const stored: unknown = JSON.parse(JSON.stringify(relay));
  assert.is((await send(context, { relay: stored })).kind, "accepted");
  assert.equal([house.messages.length, own.messages.length], [0, 1]);
  const other = await send(context, { relay: stored, id: "another mail" }).catch((error: unknown) => error);
  assert.instance(other, Error, "what was sealed for one mail opens for no other");
  assert.is((await send(context)).kind, "accepted");
  assert.is(house.messages.length, 1);
});

test.run();
