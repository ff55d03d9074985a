/** Old systems that hand over mail through HAProxy: they are who they are, and not the proxy. */
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue } from "../harness/smtp-dialogue.ts";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import { servedBy, startProxy, type Proxy } from "./proxy.ts";
import { makeCertificate } from "./stand-ins/certificate.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("SMTP behind HAProxy");
let database: Client;
let listeners: System[] = [];
let proxy: Proxy;
const clients: Dialogue[] = [];

story.before(async () => {
  const [url, rabbit, certificate] = await Promise.all([freshDatabase(), freshVhost(), makeCertificate()]);
  database = new Client({ connectionString: url });
  await database.connect();
  const env = {
    APP_ENV: "production",
    DATABASE_URL: url,
    RABBITMQ_URL: rabbit,
    JWT_SECRET: randomUUID(),
    MAIL_SENDER: "sandbox",
    FUNCTIONS: "health,mail/receive",
    SMTP_TLS_CERT_FILE: certificate.certFile,
    SMTP_TLS_KEY_FILE: certificate.keyFile,
    SMTP_PROXY_NETWORKS: "127.0.0.1",
    SMTP_ALLOWED_NETWORKS: "127.0.0.5",
    SMTP_MAX_CONNECTIONS_PER_ADDRESS: "8",
    SHUTDOWN_NOTICE_SECONDS: "3",
  };
  const first = await startSystem({ env, smtp: true });
  listeners = [first, await startSystem({ env, smtp: true, token: first.token })];
  proxy = await startProxy(listeners);
  for (const backend of ["smtp", "smtps"] as const) await servedBy(proxy, backend, 1, 2);
});
story.after.each(() => {
  for (const client of clients.splice(0)) client.close();
});
story.after(async () => {
  await stopAll();
  await database?.end();
});

async function meet(localAddress: string, tls = false): Promise<Dialogue> {
  const client = await dial(tls ? proxy.smtp.tlsPort : proxy.smtp.port, { tls, localAddress });
  clients.push(client);
  assert.is((await client.hear()).code, 220);
  return client;
}

/** The address that the log of requests has for a mail that was answered with 250. */
async function loggedAddress(answer: string): Promise<string> {
  const [, id = ""] = /queued as (\S+)/.exec(answer) ?? [];
  const sql = "SELECT host(request_ip) AS ip FROM api_logs WHERE mail_id = $1";
  const row = async () => (await database.query<{ ip: string }>(sql, [id])).rows[0];
  const found = await eventually(row, { what: `mail ${id} is logged (${answer})` });
  return found ? found.ip : "";
}

const refusals = async () =>
  (await Promise.all(listeners.map((one) => one.metric("smtp_proxy_headers_refused_total")))).reduce((a, b) => a + b);

for (const tls of [false, true]) {
  story(
    `a client of an allowed network hands over mail ${tls ? "where TLS comes first" : "in plain text"}`,
    async () => {
      const client = await meet("127.0.0.5", tls);
      await client.begin();
      const { code, text } = await client.message("Subject: x\r\n\r\nx\r\n");
      assert.is(code, 250);
      assert.is(await loggedAddress(text), "127.0.0.5");
    },
  );

  story(
    `a client of another network has to sign in${tls ? " there, too" : ""}, though the proxy would not`,
    async () => {
      const client = await meet("127.0.0.6", tls);
      await client.say("EHLO client.example");
      assert.is((await client.say("MAIL FROM:<ann@example.com>")).code, 530);
    },
  );
}

story("a client goes on over TLS by STARTTLS, through the proxy", async () => {
  const client = await meet("127.0.0.5");
  await client.say("EHLO client.example");
  await client.say("STARTTLS");
  await client.secure();
  await client.begin();
  assert.is(await loggedAddress((await client.message("Subject: x\r\n\r\nx\r\n")).text), "127.0.0.5");
});

story("one client with too many connections takes nobody's place but its own", async () => {
  const greetings: number[] = [];
  for (let n = 0; n < 20; n++) {
    const client = await dial(proxy.smtp.port, { localAddress: "127.0.0.7" });
    clients.push(client);
    greetings.push((await client.hear()).code);
  }
  assert.ok(greetings.filter((code) => code === 220).length <= 16, "eight at each of two listeners");
  assert.ok(greetings.includes(421));
  await meet("127.0.0.5");
});

story("past the proxy, an address of its network alone gets no further than its missing header", async () => {
  const [listener] = listeners;
  const client = await dial(listener?.smtp.port ?? 0);
  clients.push(client);
  assert.is((await client.hear()).code, 421);
  await client.ended();
  const spoofed = await dial(listener?.smtp.port ?? 0, { localAddress: "127.0.0.6" });
  clients.push(spoofed);
  spoofed.send("PROXY TCP4 127.0.0.5 127.0.0.1 1 2525\r\n");
  const replies = [
    (await spoofed.hear()).code,
    await spoofed.hear().then(
      ({ code }) => code,
      () => 0,
    ),
  ];
  assert.ok(replies.includes(421), replies.join());
  await spoofed.ended();
});

story("what watches the ports from outside does no harm", async () => {
  const before = await refusals();
  for (let n = 0; n < 10; n++) {
    const socket = connect({ host: "127.0.0.1", port: n % 2 ? proxy.smtp.port : proxy.smtp.tlsPort });
    await new Promise((resolve) => socket.once("connect", resolve));
    if (n % 4 < 2) socket.resetAndDestroy();
    else socket.destroy();
  }
  await pause(1500); // as many health checks as take a server out
  assert.equal(await proxy.up("smtp"), [1, 2]);
  assert.is(await refusals(), before);
});

story(
  "a listener that stops gets no new clients, ends what it has begun, and nobody is refused meanwhile",
  async () => {
    const [first, second] = listeners;
    assert.ok(first && second);
    const busy = await Promise.all(Array.from({ length: 6 }, () => meet("127.0.0.5")));
    for (const client of busy) assert.is((await client.begin()).code, 354);

    let isOver = false;
    const ids: string[] = [];
    const trickle = async () => {
      while (!isOver) {
        const client = await meet("127.0.0.5");
        await client.begin();
        const { code, text } = await client.message("Subject: x\r\n\r\nx\r\n");
        assert.is(code, 250, text);
        ids.push(text);
        await client.say("QUIT");
        client.close();
      }
    };
    const newcomers = Promise.all([trickle(), trickle()]);
    const stopped = first.stop();
    await servedBy(proxy, "smtp", 2);
    for (const client of busy) assert.is((await client.message("Subject: x\r\n\r\nx\r\n")).code, 250);
    assert.equal(await stopped, { code: 0, signal: null });
    const count = ids.length;
    await eventually(() => ids.length > count + 3, { what: "mail goes on by the other" });
    await first.start();
    await servedBy(proxy, "smtp", 1, 2);
    isOver = true;
    await newcomers;
    const { rows } = await database.query<{ count: number }>("SELECT count(*)::int AS count FROM mails");
    assert.is(rows[0]?.count, ids.length + busy.length + 3);
  },
);

story("nothing of all this is a fault of ours", async () => {
  for (const one of listeners) assert.not.match((await one.output()).stdout, /"level":"?(error|fatal|50|60)"?/);
});

story.run();
