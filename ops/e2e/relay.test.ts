/** Scheduled mail that leaves by an SMTP relay, and what becomes of it for whatever the relay does. */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSecrets } from "../../lib/resources/secrets.ts";
import { sealRelay } from "../../lib/senders/own-relay.ts";
import { eventually, freshDatabase, temporaryFolder } from "../harness/test.ts";
import { makeCertificate, type Certificate } from "./stand-ins/certificate.ts";
import { addressesIn, decodeWords, leaves, parseMime } from "./stand-ins/mime.ts";
import { startRelay, type RelayFault, type RelayStandIn } from "./stand-ins/smtp-relay.ts";
import { startSystem, stopAll, type MailState, type System } from "./system.ts";

const story = suite("SMTP relay");
const user = "mailer@acme.example";
const password = "Confidential päss";
const encryptionKey = randomBytes(32).toString("base64");

let certificate: Certificate;
let relay: RelayStandIn;
let system: System;
let holding: System;
let databases: Map<System, string>;
let env: Record<string, string>;

story.before(async () => {
  certificate = await makeCertificate();
  relay = await startRelay({ certificate });
  relay.passwords.set(user, password);
  env = {
    SMTP_HOST: relay.host,
    SMTP_PORT: String(relay.port),
    SMTP_USER: user,
    SMTP_PASSWORD: password,
    NODE_EXTRA_CA_CERTS: certificate.certFile,
    ENCRYPTION_KEY: encryptionKey,
    MAX_RETRY_COUNT: "2",
  };
  const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
  [system, holding] = await Promise.all([
    startSystem({ env: { ...env, DATABASE_URL: one } }),
    startSystem({ env: { ...env, DATABASE_URL: two, UNKNOWN_OUTCOME: "hold" } }),
  ]);
  databases = new Map([
    [system, one],
    [holding, two],
  ]);
});
story.before.each(() => relay.reset());
story.after(async () => {
  await stopAll();
  await relay.close();
});

interface Scheduled {
  to?: string[];
  cc?: string[];
  bcc?: string[];
  names?: Record<string, string>;
  subject?: string;
  body?: string;
  html?: string;
  /** Its own relay, sealed for it. */
  relay?: (id: string) => object;
  file?: { filename: string; content: Buffer };
  on?: System;
}

/** A mail as the schedule hands it over. */
async function schedule(given: Scheduled = {}): Promise<string> {
  const { to = ["guest@example.org"], cc = [], bcc = [], subject = "Your order", body = "It is on its way." } = given;
  const { names = null, html = null, file, on = system } = given;
  const id = randomUUID();
  const client = new Client({ connectionString: databases.get(on) });
  await client.connect();
  try {
    await client.query("BEGIN");
    await client.query(
      `INSERT INTO mails (id, source, client_id, from_address, to_addresses, cc_addresses, bcc_addresses, names, subject,
                          body, html, relay, attachment_bytes)
       VALUES ($1, 'schedule', 'schedule', 'shop@example.com', $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        id,
        to,
        cc,
        bcc,
        JSON.stringify(names),
        subject,
        body,
        html,
        given.relay ? JSON.stringify(given.relay(id)) : null,
        file?.content.length ?? 0,
      ],
    );
    if (file) {
      const path = `2026/01/20/${id}/file`;
      await mkdir(dirname(join(on.dataDir, "attachments", path)), { recursive: true });
      await writeFile(join(on.dataDir, "attachments", path), file.content);
      await client.query(
        `INSERT INTO attachments (mail_id, position, filename, content_type, size_bytes, storage_path)
         VALUES ($1, 0, $2, 'application/pdf', $3, $4)`,
        [id, file.filename, file.content.length, path],
      );
    }
    await client.query("COMMIT");
  } finally {
    await client.end();
  }
  return id;
}

const types = (state: MailState) => state.events.map(({ type }) => type);
const codes = (state: MailState) => state.events.map(({ code }) => code);
/** What the relay has of a mail, known by its Message-ID. */
const taken = (id: string) => relay.messages.filter(({ raw }) => raw.includes(`Message-ID: <${id}@example.com>`));
const settled = (id: string, on = system) => on.settled(id, 30_000);

story("a scheduled mail with everything in it arrives as it was sent, signed in and over TLS", async () => {
  const content = randomBytes(25 * 2 ** 20);
  const id = await schedule({
    to: ["zoe@example.org", "plain@example.org"],
    cc: ["copy@example.org"],
    bcc: ["blind@example.org"],
    names: { "shop@example.com": "王小明", "zoe@example.org": "Zoë, Müller" },
    subject: "您的訂單 ✓",
    body: "Text — 文字",
    html: "<p>HTML — 文字</p>",
    file: { filename: "發票, 五月.pdf", content },
  });
  const state = await settled(id);
  assert.is(state.status, "sent", JSON.stringify(state));
  assert.is(state.error_message, "");
  assert.equal([state.events[0]?.provider, state.events[0]?.code], ["smtp", "smtp_250"]);

  const [message] = taken(id);
  assert.equal([message?.secure, message?.user], [true, user]);
  assert.is(message?.from, "shop@example.com");
  assert.equal(message?.to, ["zoe@example.org", "plain@example.org", "copy@example.org", "blind@example.org"]);
  assert.not.ok(message?.raw.includes("blind@"));
  const root = parseMime(message?.raw ?? Buffer.alloc(0));
  assert.equal(addressesIn(root.headers.get("from")), [{ address: "shop@example.com", name: "王小明" }]);
  assert.equal(addressesIn(root.headers.get("to")), [
    { address: "zoe@example.org", name: "Zoë, Müller" },
    { address: "plain@example.org" },
  ]);
  assert.is(decodeWords(root.headers.get("subject") ?? ""), "您的訂單 ✓");
  const [text, html, file] = leaves(root);
  assert.is(String(text?.content).trim(), "Text — 文字");
  assert.is(String(html?.content).trim(), "<p>HTML — 文字</p>");
  assert.equal([file?.filename, file?.type], ["發票, 五月.pdf", "application/pdf"]);
  assert.ok(file?.content.equals(content));
});

story("mails share connections", async () => {
  await settled(await schedule());
  const before = relay.connections;
  const ids = await Promise.all(Array.from({ length: 20 }, () => schedule()));
  for (const id of ids) assert.is((await settled(id)).status, "sent");
  assert.ok(relay.connections - before <= 10, `${relay.connections - before} connections more for 20 mails`);
});

interface Case {
  what: string;
  faults: RelayFault[];
  status: "sent" | "failed";
  codes: string[];
  copies: number;
  message?: RegExp;
  file?: boolean;
}
const reply = (step: RelayFault["step"], code: number, more: { text?: string; to?: string } = {}): RelayFault => {
  return { step, does: "reply", reply: code, ...more };
};
const cases: Case[] = [
  {
    what: "a relay that ends a kept connection is asked on another, which is no retry",
    faults: [reply("sender", 421)],
    status: "sent",
    codes: ["smtp_250"],
    copies: 1,
  },
  {
    what: "a relay that is too busy for connections is asked again",
    faults: [reply("connect", 421)],
    status: "sent",
    codes: ["smtp_421", "smtp_250"],
    copies: 1,
  },
  {
    what: "greylisting is waited for",
    faults: [reply("recipient", 450)],
    status: "sent",
    codes: ["smtp_450", "smtp_250"],
    copies: 1,
  },
  {
    what: "an unknown recipient fails the mail, in the relay's words",
    faults: [reply("recipient", 550, { text: "5.1.1 <guest@example.org>: no such user" })],
    status: "failed",
    codes: ["smtp_550"],
    copies: 0,
    message: /smtp_550: .*5\.1\.1 <gu\*\*\*@example\.org>: no such user/,
  },
  {
    what: "a message that is too large fails",
    faults: [reply("message", 552)],
    status: "failed",
    codes: ["smtp_552"],
    copies: 0,
  },
  {
    what: "a fault after the message is tried again",
    faults: [reply("message", 451)],
    status: "sent",
    codes: ["smtp_451", "smtp_250"],
    copies: 1,
  },
  {
    what: "a fault that stays fails the mail after its retries",
    faults: [reply("message", 451), reply("message", 451), reply("message", 451)],
    status: "failed",
    codes: ["smtp_451", "smtp_451", "smtp_451"],
    copies: 0,
  },
  {
    what: "a cut in the middle of a message is known to have sent nothing",
    faults: [{ step: "content", does: "cut" }],
    status: "sent",
    codes: ["ECONNRESET", "smtp_250"],
    copies: 1,
    file: true,
  },
  {
    what: "a cut before the answer is not, and by the policy the mail is sent again",
    faults: [{ step: "message", does: "cut" }],
    status: "sent",
    codes: ["ECONNRESET", "smtp_250"],
    copies: 2,
  },
];
for (const { what, faults, status, codes: expected, copies, message, file = false } of cases) {
  story(what, async () => {
    relay.next(...faults);
    if (faults[0]?.step === "connect") relay.hangUp(); // So that there is one to refuse.
    const given = file ? { file: { filename: "a.bin", content: randomBytes(2 ** 24) } } : {};
    const id = await schedule(given);
    const state = await settled(id);
    assert.equal([state.status, codes(state)], [status, expected], JSON.stringify(state));
    assert.is(taken(id).length, copies);
    if (message) assert.match(state.error_message, message);
    if (copies === 2) assert.equal(types(state), ["outcome_unknown", "sent"]);
  });
}

story("under hold, a cut before the answer ends it: what may have arrived is not sent again", async () => {
  relay.next({ step: "message", does: "cut" });
  const id = await schedule({ on: holding });
  const state = await settled(id, holding);
  assert.is(state.status, "failed");
  assert.equal(types(state), ["outcome_unknown"]);
  assert.is(taken(id).length, 1);
});

story("and a cut in the middle of a message does not", async () => {
  relay.next({ step: "content", does: "cut" });
  const id = await schedule({ on: holding, file: { filename: "a.bin", content: randomBytes(2 ** 24) } });
  const state = await settled(id, holding);
  assert.is(state.status, "sent", state.error_message);
  assert.is(taken(id).length, 1);
});

story("a mail that the relay takes for some is sent, and its status tells of the others", async () => {
  relay.next(reply("recipient", 550, { to: "gone@example.org", text: "5.1.1 gone@example.org is gone" }));
  const id = await schedule({ to: ["here@example.org", "gone@example.org"] });
  const state = await settled(id);
  assert.is(state.status, "sent");
  assert.is(state.error_message, "Not for all: 1 recipient was refused (smtp_550)");
  assert.is(state.events[0]?.message, state.error_message);
  assert.equal(taken(id)[0]?.to, ["here@example.org"]);
});

story("a relay that is away is waited for", async () => {
  const own = await startRelay({ open: true });
  await own.close();
  const id = await schedule({ relay: () => ({ ...settings(own.port), secure: "none", auth: { kind: "none" } }) });
  const state = await settled(id);
  assert.is(state.status, "failed");
  assert.equal(codes(state), ["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"]);
});

story("a mail's own relay comes first, with the password that was sealed for it", async () => {
  const own = await startRelay({ certificate });
  own.passwords.set("own@acme.example", "Confidential own");
  const file = join(await temporaryFolder(), "unused.key");
  const secrets = await openSecrets({ keys: [Buffer.from(encryptionKey, "base64")], file });
  const auth = { kind: "password", user: "own@acme.example", password: "Confidential own" } as const;
  const id = await schedule({
    relay: (mailId) => sealRelay({ secrets }, { ...settings(own.port), secure: "starttls", auth }, mailId),
  });
  const state = await settled(id);
  await own.close();
  assert.is(state.status, "sent", state.error_message);
  assert.is(own.messages[0]?.user, "own@acme.example");
  assert.is(relay.messages.length, 0);
});

story("ten mails of 25 MB that are due at once arrive, and the worker stays below 256 MB", async () => {
  const database = await freshDatabase();
  const FUNCTIONS = "mail/deliver,mail/publish-stranded,mail/release-expired";
  const worker = await startSystem({ env: { ...env, DATABASE_URL: database, FUNCTIONS } });
  databases.set(worker, database);
  const content = randomBytes(25 * 2 ** 20);
  const file = { filename: "a.bin", content };
  const ids = await Promise.all(Array.from({ length: 10 }, () => schedule({ file, on: worker })));
  const allCame = () => ids.every((id) => taken(id).length > 0);
  await eventually(allCame, { what: "the relay has them all", within: 60_000 });
  for (const id of ids) {
    const [message] = taken(id);
    assert.ok(
      leaves(parseMime(message?.raw ?? Buffer.alloc(0)))
        .at(-1)
        ?.content.equals(content),
    );
  }
  const status = await readFile(`/proc/${worker.pid}/status`, "utf8").catch(() => "VmHWM: 0 kB");
  const mostMb = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  await worker.stop();
  assert.ok(mostMb < 256, `${mostMb.toFixed(0)} MB`);
});

story("nothing of all this is in the log: no password, no address, no content", async () => {
  const { stdout, stderr } = await system.output();
  assert.match(stdout, "Mail sent successfully");
  for (const secret of ["Confidential", "example.org", "on its way", "五月", encryptionKey]) {
    assert.not.match(stdout + stderr, secret);
  }
});

function settings(port: number) {
  return { host: relay.host, port, from: undefined };
}

story.run();
