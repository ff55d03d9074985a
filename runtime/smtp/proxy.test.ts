/** A listener behind a proxy: who its clients are, and what becomes of those that only say that they are a proxy. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeCertificate, type Certificate } from "../../ops/e2e/stand-ins/certificate.ts";
import { freePort } from "../../ops/harness/server.ts";
import { dial, type Dialogue } from "../../ops/harness/smtp-dialogue.ts";
import { eventually } from "../../ops/harness/test.ts";
import { smtp, type SmtpAccess } from "../index.ts";
import { tryFunction } from "../testing.ts";

const test = suite("an SMTP listener behind a proxy");
let certificate: Certificate;
const open: { close(): Promise<void> }[] = [];
const sockets: { destroy(): void }[] = [];

test.before(async () => void (certificate = await makeCertificate()));
test.after.each(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

/** The proxy is 127.0.0.9. Whom the rules see is what is told of a mail. */
async function listen(connections = { total: 100, perAddress: 20 }) {
  const ports = { port: await freePort(), tlsPort: await freePort() };
  const seen: string[] = [];
  const access: SmtpAccess<undefined> = {
    name: "all",
    check: ({ remoteAddress }) => void seen.push(remoteAddress),
    trusts: () => true,
  };
  const fn = smtp({
    ...ports,
    connections,
    access,
    certificate: { from: () => certificate },
    trustsProxy: (address) => address === "127.0.0.9",
  }).handle(async ({ message, remoteAddress }) => {
    for await (const chunk of message) void chunk;
    return { text: `from ${remoteAddress}` };
  });
  const listener = await tryFunction(fn, { resources: { config: {} } as never }).listen();
  open.push(listener);
  const metric = async (name: string) => {
    const [, value] = new RegExp(`^${name}\\{.*\\} (\\d+)$`, "m").exec(await listener.metrics()) ?? [];
    return Number(value);
  };
  return { ...ports, seen, metric };
}

const header = (address: string) => `PROXY TCP4 ${address} 10.0.0.1 4711 2525\r\n`;
const localHeader = Buffer.concat([Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"), Buffer.from([0x20, 0, 0, 0])]);

/** Connects as the proxy, unless told, and begins with these bytes. */
async function call(port: number, first: string | Buffer, { tls = false, from = "127.0.0.9" } = {}): Promise<Dialogue> {
  const client = await dial(port, { localAddress: from });
  sockets.push(client.socket);
  client.send(first);
  if (tls) await client.secure();
  return client;
}

async function raw(port: number, localAddress = "127.0.0.9"): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  sockets.push(socket);
  socket.on("error", () => {}).resume();
  await once(socket, "connect");
  return socket;
}

test("rules and handlers see the client that the proxy names, at both ports and after STARTTLS", async () => {
  const { port, tlsPort, seen } = await listen();
  for (const [at, tls] of [
    [port, false],
    [tlsPort, true],
  ] as const) {
    const client = await call(at, header("203.0.113.7"), { tls });
    assert.is((await client.hear()).code, 220);
    if (!tls) {
      await client.say("EHLO x");
      await client.say("STARTTLS");
      await client.secure();
    }
    await client.begin();
    assert.is((await client.message("x\r\n")).text, "250 2.6.0 from 203.0.113.7\r\n");
  }
  assert.equal([...new Set(seen)], ["203.0.113.7"]);
});

test("a header that comes byte by byte, and one in a packet with what follows, are read alike", async () => {
  const { port, tlsPort } = await listen();
  const slow = await call(port, "");
  for (const byte of header("203.0.113.7")) {
    slow.send(byte);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.is((await slow.hear()).code, 220);

  const quick = await call(port, `${header("203.0.113.8")}NOOP\r\n`);
  assert.equal([(await quick.hear()).code, (await quick.hear()).code], [220, 250]);

  const plain = await raw(tlsPort);
  plain.pause();
  const pair = prefixed(plain, header("203.0.113.9"));
  const secure = connectTls({ socket: pair, rejectUnauthorized: false });
  const [greeting] = await once(secure, "data");
  assert.match(String(greeting), /^220 /);
});

/** A stream over a socket that sends `first` in one packet with whatever is written first. */
function prefixed(socket: Socket, first: string): Duplex {
  let before = Buffer.from(first);
  const stream = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      socket.write(Buffer.concat([before, chunk]), () => done());
      before = Buffer.alloc(0);
    },
  });
  socket.on("data", (chunk) => stream.push(chunk)).on("end", () => stream.push(null));
  return stream;
}

test("limits count the clients, and not the proxy", async () => {
  const { port, tlsPort, metric } = await listen({ total: 100, perAddress: 3 });
  for (const [at, tls, net] of [
    [port, false, "198.51.100"],
    [tlsPort, true, "203.0.113"],
  ] as const) {
    const first = (host: number) => call(at, header(`${net}.${host}`), { tls });
    for (let host = 1; host <= 10; host++) assert.is((await (await first(host)).hear()).code, 220);
    const codes: number[] = [];
    for (let n = 0; n < 3; n++) codes.push((await (await first(1)).hear()).code);
    assert.equal(codes, [220, 220, 421], `tls ${tls}`);
  }
  assert.is(await metric("smtp_connections_refused_total"), 2);
});

test("a trusted proxy that says nothing is sent away within seconds, and is no guest any more", async () => {
  const { port, tlsPort, metric } = await listen();
  const started = performance.now();
  const [plain, secure] = [await call(port, ""), await raw(tlsPort)];
  assert.is((await plain.hear()).text, "421 4.7.0 A PROXY header is expected from your address\r\n");
  await Promise.all([plain.ended(), secure.closed || once(secure, "close")]);
  const took = performance.now() - started;
  assert.ok(took >= 2900 && took < 5000, `${took} ms`);
  assert.is(await metric("smtp_proxy_headers_refused_total"), 2);
  await eventually(async () => (await metric("smtp_connections")) === 0, { what: "none is left" });
});

test("a proxy that says anything else is sent away at once", async () => {
  const { port, tlsPort, metric } = await listen();
  for (const [at, first] of [
    [port, "EHLO client.example\r\n"],
    [port, "PROXY TCP4 nobody 10.0.0.1 1 2\r\n"],
    [tlsPort, Buffer.from("1603010200010001fc0303", "hex")],
  ] as const) {
    const client = await call(at, first);
    if (at === port) assert.match((await client.hear()).text, /^421 4\.7\.0 A PROXY header is expected/);
    await client.ended();
  }
  assert.is(await metric("smtp_proxy_headers_refused_total"), 3);
});

test("a header from anybody else is refused, and names nobody", async () => {
  const { port, tlsPort, seen, metric } = await listen();
  const client = await call(port, `${header("10.0.0.1")}EHLO x\r\nMAIL FROM:<a@b.example>\r\n`, { from: "127.0.0.1" });
  const replies = [(await client.hear()).code, (await client.hear()).text];
  assert.equal(replies, [220, "421 4.7.0 A PROXY header is not taken from your address\r\n"]);
  await client.ended();
  assert.is(await metric("smtp_proxy_headers_refused_total"), 1);

  // Version 2 is made such that nobody who speaks SMTP can take it for anything.
  const binary = Buffer.concat([localHeader.subarray(0, 12), Buffer.from([0x21, 0x11, 0, 12]), Buffer.alloc(12, 10)]);
  for (const at of [port, tlsPort]) {
    const other = await call(at, Buffer.concat([binary, Buffer.from("EHLO x\r\n")]), { from: "127.0.0.1" });
    await other.ended();
  }
  assert.equal(seen, []);
  const honest = await call(port, "", { from: "127.0.0.1" });
  await honest.hear();
  await honest.begin();
  assert.is((await honest.message("x\r\n")).text, "250 2.6.0 from 127.0.0.1\r\n");
});

test("a client cannot send a header of its own through the proxy", async () => {
  const { port, seen } = await listen();
  const client = await call(port, header("203.0.113.7"));
  await client.hear();
  assert.is((await client.say(header("10.0.0.1").trim())).code, 421);
  await client.ended();
  assert.equal(seen, []);
});

test("health checks do no harm: a connection of the proxy's own, and one that says nothing and goes", async () => {
  const { port, tlsPort, metric } = await listen({ total: 5, perAddress: 2 });
  for (let n = 0; n < 20; n++) {
    const checks = [await raw(port), await raw(tlsPort)];
    checks[n % 2]?.resetAndDestroy();
    checks[1 - (n % 2)]?.end();
    const own = await call(port, n % 2 ? localHeader : "PROXY UNKNOWN\r\n");
    assert.is((await own.hear()).code, 220);
    assert.is((await own.say("QUIT")).code, 221);
    own.close();
    await eventually(async () => (await metric("smtp_connections")) === 0, { what: "none is left" });
  }
  assert.is(await metric("smtp_proxy_headers_refused_total"), 0);
  assert.is(await metric("smtp_connections_refused_total"), 0);
});

test("many that never send their header take up the places of a listener, and no more", async () => {
  const { port, tlsPort, metric } = await listen({ total: 20, perAddress: 5 });
  await Promise.all(Array.from({ length: 100 }, (_, n) => raw(n % 2 ? port : tlsPort)));
  await eventually(async () => (await metric("smtp_connections_refused_total")) === 70, { what: "the rest is cut" });
  assert.is(await metric("smtp_connections"), 30);
  await eventually(async () => (await metric("smtp_connections")) === 0, { what: "all have gone", within: 6000 });
  assert.is((await (await call(port, header("203.0.113.7"))).hear()).code, 220);
});

test.run();
