/** Clients of the API that come through HAProxy, decent and other ones. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectPlain } from "node:net";
import { connect as connectTls, type SecureVersion } from "node:tls";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase } from "../harness/test.ts";
import { callProxy, servedBy, startProxy, type HttpsCall, type Proxy } from "./proxy.ts";
import { plainMail, startSystem, stopAll, type System } from "./system.ts";

const story = suite("the API behind HAProxy");
let system: System;
let proxy: Proxy;
let database: Client;

story.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  system = await startSystem({
    env: { DATABASE_URL: url, JWT_SECRET: randomUUID(), TRUSTED_PROXIES: "127.0.0.1" },
  });
  proxy = await startProxy([system]);
  await servedBy(proxy, "api", 1);
});
story.after(async () => {
  await stopAll();
  await database?.end();
});

const send = (call: HttpsCall = {}) =>
  callProxy(proxy, {
    path: "/api/v1/mail/send",
    method: "POST",
    body: JSON.stringify(plainMail),
    ...call,
    headers: { authorization: `Bearer ${system.token}`, "content-type": "application/json", ...call.headers },
  });

/** The address that the log of requests has for a mail. */
async function loggedAddress(answer: string): Promise<string> {
  const { mail_id: id }: { mail_id?: string } = JSON.parse(answer);
  const sql = "SELECT host(request_ip) AS ip FROM api_logs WHERE mail_id = $1";
  const row = async () => (await database.query<{ ip: string }>(sql, [id])).rows[0];
  const found = await eventually(row, { what: `mail ${id} is logged` });
  return found ? found.ip : "";
}

story("a mail that is sent by https is sent", async () => {
  const answer = await send();
  assert.is(answer.status, 200, answer.text);
  assert.match(String(answer.headers["strict-transport-security"]), /^max-age=\d{8}/);
  assert.is((await system.settled(JSON.parse(answer.text).mail_id)).status, "sent");
});

story("http leads to https, with method and path", async () => {
  const answer = await fetch(`http://127.0.0.1:${proxy.httpPort}/api/v1/mail/send?x=1`, {
    method: "POST",
    redirect: "manual",
  });
  assert.is(answer.status, 308);
  assert.is(answer.headers.get("location"), `https://127.0.0.1:${proxy.httpPort}/api/v1/mail/send?x=1`);
});

story("who speaks HTTP/2 gets it, with many requests on one connection", async () => {
  const client = connectHttp2(`https://localhost:${proxy.httpsPort}`, { ca: proxy.certificate.cert });
  try {
    await once(client, "connect");
    assert.is(client.alpnProtocol, "h2");
    const answers = Array.from({ length: 20 }, async () => {
      const stream = client.request({
        ":path": "/api/v1/mail/send",
        ":method": "POST",
        authorization: `Bearer ${system.token}`,
        "content-type": "application/json",
      });
      stream.end(JSON.stringify(plainMail));
      const [headers] = await once(stream, "response");
      stream.resume();
      await once(stream, "end");
      return Number(headers[":status"]);
    });
    assert.equal(await Promise.all(answers), Array(20).fill(200));
  } finally {
    client.destroy();
  }
});

for (const version of ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const satisfies SecureVersion[]) {
  const isTaken = version >= "TLSv1.2";
  story(`${version} is ${isTaken ? "taken" : "refused"}`, async () => {
    const socket = connectTls({
      port: proxy.httpsPort,
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    const outcome = await once(socket, "secureConnect").then(() => socket.getProtocol(), String);
    socket.destroy();
    assert.match(String(outcome), isTaken ? version : /alert protocol version/);
  });
}

story("a cipher without forward secrecy is refused", async () => {
  for (const ciphers of ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "aNULL@SECLEVEL=0"]) {
    const socket = connectTls({ port: proxy.httpsPort, rejectUnauthorized: false, maxVersion: "TLSv1.2", ciphers });
    const outcome = await once(socket, "secureConnect").then(() => "agreed", String);
    socket.destroy();
    assert.match(outcome, /handshake failure/, ciphers);
  }
});

story("the log of requests has the client's address, and not the proxy's", async () => {
  const answer = await send({ localAddress: "127.0.0.5" });
  assert.is(await loggedAddress(answer.text), "127.0.0.5");
});

story("what a client says of its address counts for nothing", async () => {
  for (const name of ["X-Forwarded-For", "x-forwarded-for", "Forwarded", "X-Real-IP", "Client-IP", "X-Client-IP"]) {
    const value = name === "Forwarded" ? "for=203.0.113.7" : "203.0.113.7";
    const answer = await send({ localAddress: "127.0.0.5", headers: { [name]: value } });
    assert.is(await loggedAddress(answer.text), "127.0.0.5", name);
  }
  const list = await send({ localAddress: "127.0.0.5", headers: { "X-Forwarded-For": "127.0.0.1, 203.0.113.7" } });
  assert.is(await loggedAddress(list.text), "127.0.0.5");
});

story("past the proxy, nobody but a trusted address may say whom it brings", async () => {
  const direct = async (localAddress: string) => {
    const body = JSON.stringify(plainMail);
    const head = `POST /api/v1/mail/send HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer ${system.token}\r\nX-Forwarded-For: 203.0.113.7\r\nContent-Length: ${body.length}\r\n\r\n`;
    const socket = connectPlain({ host: "127.0.0.1", port: system.port, localAddress });
    socket.write(head + body);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    return text.slice(text.indexOf("\r\n\r\n") + 4);
  };
  assert.is(await loggedAddress(await direct("127.0.0.6")), "127.0.0.6");
  assert.is(await loggedAddress(await direct("127.0.0.1")), "203.0.113.7");
});

story("a request that says it is too large is refused before it is sent", async () => {
  const { text, status } = await callProxy(proxy, {
    path: "/api/v1/mail/send",
    method: "POST",
    headers: { "content-length": String(110 * 2 ** 20 + 1), expect: "100-continue" },
  }).catch((error: unknown) => ({ text: String(error), status: 0 }));
  assert.is(status, 413, text);
  assert.is(JSON.parse(text).error, "request_too_large");
});

story("one of just that size is taken as far as the application takes it", async () => {
  const most = 110 * 2 ** 20;
  const mail = JSON.stringify({ ...plainMail, body: "x" });
  const answer = await send({ body: mail + " ".repeat(most - mail.length) });
  assert.is(answer.status, 200, answer.text);
});

story("metrics and statistics are not for the outside", async () => {
  for (const path of ["/metrics", "/metrics?x", "/metrics/", "//metrics", "/%6detrics", "/./metrics"]) {
    const answer = await callProxy(proxy, { path });
    assert.is(answer.status, 404, path);
    assert.not.match(answer.text, "function_calls");
  }
  const own = await (await fetch(`http://127.0.0.1:${proxy.metricsPort}/metrics`)).text();
  assert.match(own, /^haproxy_backend_active_servers\{proxy="api"\} 1$/m);
});

story("one address has so many connections, and others have theirs", async () => {
  const narrow = await startProxy([system], { CONNECTIONS_PER_ADDRESS: "5" });
  await servedBy(narrow, "api", 1);
  const hold = () => connectPlain({ port: narrow.httpsPort, host: "127.0.0.1", localAddress: "127.0.0.5" });
  const held = Array.from({ length: 5 }, hold);
  try {
    await Promise.all(held.map((socket) => once(socket, "connect")));
    const sixth = await callProxy(narrow, { path: "/health/live", localAddress: "127.0.0.5" });
    assert.equal([sixth.status, sixth.headers["retry-after"]], [429, "5"]);
    const more = Array.from({ length: 20 }, hold);
    held.push(...more);
    for (const socket of more) socket.on("error", () => {}).resume();
    await eventually(() => held.filter((socket) => !socket.closed).length <= 11, { what: "the rest is cut" });
    assert.is((await callProxy(narrow, { path: "/health/live", localAddress: "127.0.0.6" })).status, 200);
  } finally {
    for (const socket of held) socket.destroy();
    await narrow.server.close();
  }
});

story("with every container away, the answer says so in the words of the API", async () => {
  await system.stop();
  await servedBy(proxy, "api");
  const answer = await send();
  assert.is(answer.status, 503);
  assert.equal([JSON.parse(answer.text).error, answer.headers["retry-after"]], ["unavailable", "2"]);
  await system.start();
  await servedBy(proxy, "api", 1);
  assert.is((await send()).status, 200);
});

story.run();
