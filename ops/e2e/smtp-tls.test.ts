/** SMTP over TLS: nothing said in plain text counts after it, and nothing older than TLS 1.2 is spoken. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type SecureVersion, type TLSSocket } from "node:tls";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue, type DialogueOptions } from "../harness/smtp-dialogue.ts";
import { freshDatabase } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("SMTP over TLS");
let database: Client;
let system: System;
const clients: Dialogue[] = [];

story.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  system = await startSystem({ smtp: true, env: { DATABASE_URL: url } });
});
story.after.each(() => clients.splice(0).forEach((client) => client.close()));
story.after(async () => {
  await stopAll();
  await database.end();
});

async function meet(options: DialogueOptions = {}): Promise<Dialogue> {
  const client = await dial(options.tls ? system.smtp.tlsPort : system.smtp.port, options);
  clients.push(client);
  assert.is((await client.hear()).code, 220);
  return client;
}

async function mailsFrom(address: string): Promise<number> {
  const sql = "SELECT count(*)::int AS count FROM mails WHERE from_address = $1";
  const { rows } = await database.query<{ count: number }>(sql, [address]);
  return rows[0]?.count ?? 0;
}

const mail = "MAIL FROM:<eve@example.net>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n";
const injections: Record<string, string> = {
  "a sender": "MAIL FROM:<eve@example.net>\r\n",
  "a sender without a line end": "MAIL FROM:<eve@example.net>",
  "a greeting and a sender": "EHLO eve.example\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<victim@example.org>\r\n",
  "a whole mail": `EHLO eve.example\r\n${mail}`,
  "RSET and NOOP": "RSET\r\nNOOP\r\n",
  "another STARTTLS": "STARTTLS\r\n",
  QUIT: "QUIT\r\n",
  "more than is looked at in one turn": "NOOP\r\n".repeat(5000) + `EHLO eve.example\r\n${mail}`,
  "a line that never ends": "x".repeat(10_000),
};
for (const [what, injected] of Object.entries(injections)) {
  story(`${what} behind STARTTLS, in plain text, has no answer and no effect after the handshake`, async () => {
    const client = await meet();
    await client.say("EHLO client.example");
    client.send(`STARTTLS\r\n${injected}`);
    assert.is((await client.hear()).code, 220);
    await client.secure();
    // Were there an answer to what was injected, it would come before these.
    assert.is((await client.say("NOOP")).text, "250 2.0.0 OK\r\n");
    assert.match((await client.say("RCPT TO:<victim@example.org>")).text, /^503 5\.5\.1 /);
    assert.match((await client.say("EHLO client.example")).text, /^250-/);
    assert.match((await client.say("RCPT TO:<victim@example.org>")).text, /^503 5\.5\.1 /);
    const before = await mailsFrom("ann@example.com");
    assert.is((await client.begin("ann@example.com", "bob@example.org")).code, 354);
    assert.match((await client.message("Subject: x\r\n\r\nx\r\n")).text, /^250 2\.6\.0 /);
    assert.equal([await mailsFrom("ann@example.com"), await mailsFrom("eve@example.net")], [before + 1, 0]);
  });
}

story("what was said before STARTTLS is forgotten: who greeted, and who sends", async () => {
  const client = await meet();
  await client.say("EHLO client.example");
  assert.is((await client.say("MAIL FROM:<eve@example.net>")).code, 250);
  assert.is((await client.say("RCPT TO:<victim@example.org>")).code, 250);
  assert.is((await client.say("STARTTLS")).code, 220);
  await client.secure();
  assert.match((await client.say("DATA")).text, /^503 5\.5\.1 .*EHLO first/);
  await client.say("EHLO client.example");
  assert.match((await client.say("DATA")).text, /^503 5\.5\.1 /);
});

story("STARTTLS takes no parameter, is offered once, and comes once", async () => {
  const client = await meet();
  assert.ok((await client.say("EHLO client.example")).lines.includes("STARTTLS"));
  assert.match((await client.say("STARTTLS now")).text, /^501 5\.5\.4 /);
  assert.is((await client.say("NOOP")).code, 250);
  assert.is((await client.say("STARTTLS")).code, 220);
  await client.secure();
  assert.not.ok((await client.say("EHLO client.example")).lines.includes("STARTTLS"));
  assert.match((await client.say("STARTTLS")).text, /^503 5\.5\.1 /);
  assert.is((await client.say("NOOP")).code, 250);
});

story("plain text in place of a handshake ends the connection, and nothing of it is done", async () => {
  const upgrading = await meet();
  await upgrading.say("EHLO client.example");
  await upgrading.say("STARTTLS");
  const socket = connect(system.smtp.tlsPort, "127.0.0.1").on("error", () => {});
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  for (const one of [upgrading.socket, socket]) one.write(`EHLO eve.example\r\n${mail}`);
  await Promise.all([upgrading.ended(), once(socket, "close", { signal: AbortSignal.timeout(10_000) })]);
  assert.not.match(Buffer.concat(received).toString("latin1"), /\d{3}[ -]/);
  assert.is(await mailsFrom("eve@example.net"), 0);
  await meet({ tls: true });
});

story("TLS where plain text comes first is told so, and harms nobody", async () => {
  const socket = connectTls({ host: "127.0.0.1", port: system.smtp.port, rejectUnauthorized: false });
  assert.match(String(await once(socket, "secureConnect").catch((error: unknown) => error)), /SSL|TLS/);
  assert.is((await (await meet()).say("EHLO client.example")).code, 250);
});

/** The version that is agreed on, or why none is. */
async function agree(version: SecureVersion, socket?: Socket): Promise<string> {
  const secure: TLSSocket = connectTls({
    ...(socket ? { socket } : { host: "127.0.0.1", port: system.smtp.tlsPort }),
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    // Else OpenSSL does not even ask for the old ones.
    ciphers: "DEFAULT@SECLEVEL=0",
  });
  try {
    await once(secure, "secureConnect", { signal: AbortSignal.timeout(10_000) });
    return String(secure.getProtocol());
  } catch (error) {
    return String(error);
  } finally {
    secure.destroy();
  }
}

for (const version of ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const) {
  const isTaken = version >= "TLSv1.2";
  story(`${version} is ${isTaken ? "taken" : "refused"} at both ports`, async () => {
    const upgrading = await meet();
    await upgrading.say("EHLO client.example");
    await upgrading.say("STARTTLS");
    upgrading.socket.removeAllListeners("data");
    const agreed = [await agree(version), await agree(version, upgrading.socket)];
    for (const one of agreed) assert.match(one, isTaken ? version : /alert protocol version/);
  });
}

story("a cipher that encrypts nothing, or with anybody, is refused", async () => {
  for (const ciphers of ["eNULL@SECLEVEL=0", "aNULL@SECLEVEL=0"]) {
    const options = { rejectUnauthorized: false, maxVersion: "TLSv1.2", ciphers } as const;
    const socket = connectTls({ host: "127.0.0.1", port: system.smtp.tlsPort, ...options });
    assert.match(
      String(await once(socket, "secureConnect").catch((error: unknown) => error)),
      /alert handshake failure/,
    );
  }
});

story("over TLS what has to be taken is", async () => {
  for (const tls of [true, false]) {
    const client = await meet({ tls });
    if (!tls) {
      await client.say("EHLO client.example");
      await client.say("STARTTLS");
      await client.secure();
    }
    await client.begin("ann@example.com", "bob@example.org");
    const [, id = ""] = /queued as (.*)\r\n/.exec((await client.message("Subject: x\r\n\r\nx\r\n")).text) ?? [];
    assert.is((await system.settled(id)).status, "sent");
  }
});

story("nothing of all this is a fault of ours", async () => {
  assert.not.match((await system.output()).stdout, /"level":"error"/);
});

story.run();
