import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../ops/harness/eventually.ts";
import { freePort } from "../../ops/harness/server.ts";
import { startLogin, type Application, type LoginStandIn } from "../../ops/e2e/stand-ins/login.ts";
import { LoginFailure, openMicrosoftTokens, type MicrosoftTokens } from "./microsoft-tokens.ts";

const scope = "https://graph.microsoft.com/.default";

interface State {
  login: LoginStandIn;
  application: Application;
  tokens: MicrosoftTokens;
  log: string[];
  /** Says that a sender's config has changed. */
  changed: () => void;
}

const test = suite<State>("Microsoft tokens");

test.before(async (state) => {
  state.login = await startLogin();
  setDefaultCACertificates([...getCACertificates(), state.login.cert]);
});
test.before.each((state) => {
  state.login.reset();
  state.login.lifetime = 3600;
  state.application = state.login.register();
  Object.assign(state, open(state.login.url));
});
test.after(({ login }) => login.close());

function open(authority: string): Pick<State, "tokens" | "log" | "changed"> {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const handlers: ((payload: string) => void)[] = [];
  const listener = {
    on: async (_channel: string, handler: (payload: string) => void | Promise<void>) => void handlers.push(handler),
    onGap() {},
  };
  const tokens = openMicrosoftTokens({ authority, listener, log, timeoutMs: 500 });
  return { tokens, log: lines, changed: () => handlers.forEach((handler) => handler("sales@corp.example")) };
}

async function failure(work: Promise<unknown>): Promise<LoginFailure> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof LoginFailure)) throw new Error("no LoginFailure", { cause: error });
  return error;
}

test("many who ask at once log in once, and so does whoever asks later", async ({ login, tokens, application }) => {
  const all = await Promise.all(Array.from({ length: 20 }, () => tokens.get(application, scope)));
  assert.is(new Set(all).size, 1);
  assert.is(await tokens.get({ ...application }, scope), all[0]);
  assert.is(login.logins, 1);
  assert.is(login.grantOf(all[0] ?? "")?.audience, "https://graph.microsoft.com");
});

test("each application, tenant and scope has its own token", async ({ login, tokens, application }) => {
  const other = login.register();
  const all = [
    await tokens.get(application, scope),
    await tokens.get(other, scope),
    await tokens.get(application, "https://outlook.office365.com/.default"),
  ];
  assert.is(new Set(all).size, 3);
});

test("nothing is asked of Microsoft's own login when the authority is another", async ({
  login,
  tokens,
  application,
}) => {
  const own = globalThis.fetch;
  const hosts = new Set<string>();
  globalThis.fetch = (input, init) => {
    hosts.add(new URL(String(input)).origin);
    return own(input, init);
  };
  await tokens.get(application, scope).finally(() => (globalThis.fetch = own));
  assert.equal([...hosts], [login.url]);
});

test("a token is replaced before it ends, while the old one is still used", async ({ login, tokens, application }) => {
  login.lifetime = 1;
  const first = await tokens.get(application, scope);
  login.lifetime = 3600;
  login.always("token", { kind: "delay", ms: 50 });
  await eventually(
    async () => {
      const [token, started] = [await tokens.get(application, scope), login.ledger.length];
      // Whoever sets the replacing off does not wait for it.
      if (started === 2 && login.logins === 1) assert.is(token, first);
      return token !== first;
    },
    { what: "another token", within: 2000 },
  );
  assert.is(login.logins, 2);
});

test("a replacement that fails is told, not suffered, while the old token is good", async ({
  login,
  tokens,
  application,
  log,
}) => {
  login.lifetime = 4;
  const first = await tokens.get(application, scope);
  login.rotate(application.clientId);
  await eventually(
    async () => {
      assert.is(await tokens.get(application, scope), first);
      return login.ledger.length > 1;
    },
    { what: "a try to replace it" },
  );
  await eventually(() => log.length > 0, { what: "a line in the log" });
  assert.match(log.join(), "login_invalid_client");
  assert.not.match(log.join(), "Confidential");
  assert.is(await tokens.get(application, scope), first);
  // Longer than another try would take.
  await tokens.get(login.register(), scope);
  const tries = login.ledger.filter(({ clientId }) => clientId === application.clientId);
  assert.is(tries.length, 2, "it is not tried again at once");
});

test("a token that is dropped is fetched anew, once for all who drop it", async ({ login, tokens, application }) => {
  const first = await tokens.get(application, scope);
  const all = await Promise.all(
    Array.from({ length: 5 }, () => {
      tokens.drop(first);
      return tokens.get(application, scope);
    }),
  );
  assert.is(new Set(all).size, 1);
  assert.is.not(all[0], first);
  assert.is(login.logins, 2);
});

test("a changed config drops all, also what is being fetched", async ({ login, tokens, application, changed }) => {
  const first = await tokens.get(application, scope);
  changed();
  login.next("token", { kind: "delay", ms: 100 });
  const second = tokens.get(application, scope);
  changed();
  const third = await tokens.get(application, scope);
  assert.is(new Set([first, await second, third]).size, 3);
  assert.is(await tokens.get(application, scope), third);
});

test("a rotated secret is used at once, without waiting for the old token's end", async ({
  login,
  tokens,
  application,
}) => {
  await tokens.get(application, scope);
  const clientSecret = login.rotate(application.clientId);
  await tokens.get({ ...application, clientSecret }, scope);
  assert.is(login.logins, 2);
});

test("an application that the login does not take is refused, by name and without its secret", async ({
  login,
  tokens,
  application,
}) => {
  const clientSecret = "Confidential~not this one";
  const wrong = await failure(tokens.get({ ...application, clientSecret }, scope));
  assert.equal([wrong.kind, wrong.code], ["refused", "login_invalid_client"]);
  assert.match(wrong.message, `${application.clientId} in tenant ${application.tenantId}`);
  assert.match(wrong.message, "AADSTS7000215");
  assert.not.match(wrong.message, "Confidential");

  const stranger = await failure(tokens.get({ ...application, clientId: "nobody" }, scope));
  assert.equal([stranger.kind, stranger.code], ["refused", "login_unauthorized_client"]);
  const lost = await failure(tokens.get({ ...application, tenantId: "no-such-tenant" }, scope));
  assert.equal([lost.kind, lost.code], ["refused", "login_invalid_request"]);
  const odd = await failure(tokens.get({ ...application, tenantId: "../../etc?x=#" }, scope));
  assert.is(odd.kind, "refused");
  assert.is(login.logins, 0);
});

test("a login that is away, at fault or silent may be there next time", async ({ login, tokens, application }) => {
  const away = await failure(open(`https://127.0.0.1:${await freePort()}`).tokens.get(application, scope));
  assert.equal([away.kind, away.code], ["transient", "login_ECONNREFUSED"]);

  login.next("token", { kind: "status", status: 500 }, { kind: "silence" }, { kind: "reset", when: "read" });
  const fault = await failure(tokens.get(application, scope));
  assert.equal([fault.kind, fault.code], ["transient", "login_http_500"]);
  const silent = await failure(tokens.get(application, scope));
  assert.equal([silent.kind, silent.code], ["transient", "login_ETIMEDOUT"]);
  const cut = await failure(tokens.get(application, scope));
  assert.equal([cut.kind, cut.code], ["transient", "login_UND_ERR_SOCKET"]);
  login.next("discovery", { kind: "status", status: 503 });
  const discovery = await failure(tokens.get(application, scope));
  assert.equal([discovery.kind, discovery.code], ["transient", "login_http_503"]);
  // Right after: MSAL itself would refuse for a minute now.
  assert.ok(await tokens.get(application, scope));
});

test("a login that asks for patience says for how long", async ({ login, tokens, application }) => {
  login.next("token", { kind: "status", status: 429, headers: { "retry-after": "7" } });
  const { kind, code, retryAfter } = await failure(tokens.get(application, scope));
  assert.equal([kind, code, retryAfter], ["throttled", "login_http_429", "7"]);
});

test.run();
