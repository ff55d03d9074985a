/** How many may be at the ports of a listener at once, and for how long those that are yet to begin TLS. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeCertificate, type Certificate } from "../../ops/e2e/stand-ins/certificate.ts";
import { freePort } from "../../ops/harness/server.ts";
import { dial, type Dialogue } from "../../ops/harness/smtp-dialogue.ts";
import { eventually } from "../../ops/harness/test.ts";
import { smtp, thisMachine } from "../index.ts";
import { tryFunction } from "../testing.ts";
import { Server } from "./server.ts";

const test = suite("limits of an SMTP listener");
let certificate: Certificate;
const open: { close(): Promise<void> }[] = [];
const sockets: { destroy(): void }[] = [];

test.before(async () => void (certificate = await makeCertificate()));
test.after.each(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function listen(connections: { total: number; perAddress: number }) {
  const ports = { port: await freePort(), tlsPort: await freePort() };
  const contract = { ...ports, connections, access: thisMachine, certificate: { from: () => certificate } };
  const fn = smtp(contract).handle(() => ({ text: "taken" }));
  const listener = await tryFunction(fn, { resources: { config: {} } as never }).listen();
  open.push(listener);
  const metric = async (name: string) => {
    const [, value] = new RegExp(`^${name}\\{.*\\} (\\d+)$`, "m").exec(await listener.metrics()) ?? [];
    return Number(value);
  };
  return { ...ports, metric };
}

async function call(port: number, options: { tls?: boolean; localAddress?: string } = {}): Promise<Dialogue> {
  const client = await dial(port, options);
  sockets.push(client.socket);
  return client;
}

/** The first line that a new connection hears. */
const heard = async (...args: Parameters<typeof call>) => (await (await call(...args)).hear()).text;

/** Opens connections that say nothing, and resolves when those that are too many have been cut. */
async function silent(port: number, count: number, localAddress: string): Promise<Socket[]> {
  const all = Array.from({ length: count }, () => connect({ host: "127.0.0.1", port, localAddress }));
  sockets.push(...all);
  for (const socket of all) socket.on("error", () => {}).resume();
  await Promise.all(all.map((socket) => once(socket, "connect").catch(() => {})));
  await pause(300);
  return all.filter((socket) => !socket.closed);
}

const tooManyHere = /^421 4\.7\.0 \S+ Too many connections from your address/;
const tooManyInAll = /^421 4\.3\.2 \S+ Too many connected clients/;

test("600 that never begin TLS take up what their address may, and nobody else's place", async () => {
  const { port, tlsPort, metric } = await listen({ total: 100, perAddress: 20 });
  const left = await silent(tlsPort, 600, "127.0.0.9");
  assert.ok(left.length >= 20 && left.length <= 30, `${left.length} are left`);
  assert.is(await metric("smtp_connections"), left.length);
  assert.is(await metric("smtp_connections_refused_total"), 600 - left.length);
  for (const [at, tls] of [
    [port, false],
    [tlsPort, true],
  ] as const) {
    assert.match(await heard(at, { tls, localAddress: "127.0.0.2" }), /^220 /);
    if (!tls) assert.match(await heard(at, { localAddress: "127.0.0.9" }), tooManyHere);
  }
  for (const socket of left) socket.destroy();
  await eventually(async () => (await metric("smtp_connections")) === 2, { what: "they have gone" });
  assert.match(await heard(tlsPort, { tls: true, localAddress: "127.0.0.9" }), /^220 /);
});

test("one address has its connections at all ports together, and is told so over TLS as well", async () => {
  const { port, tlsPort } = await listen({ total: 100, perAddress: 3 });
  assert.match(await heard(port), /^220 /);
  assert.match(await heard(tlsPort, { tls: true }), /^220 /);
  const last = await call(port);
  assert.is((await last.hear()).code, 220);
  for (const tls of [false, true]) assert.match(await heard(tls ? tlsPort : port, { tls }), tooManyHere);
  assert.match(await heard(tlsPort, { tls: true, localAddress: "127.0.0.2" }), /^220 /);
  assert.is((await last.say("QUIT")).code, 221);
  assert.match(await heard(tlsPort, { tls: true }), /^220 /);
});

test("so have all addresses", async () => {
  const { port, tlsPort } = await listen({ total: 4, perAddress: 2 });
  for (const localAddress of ["127.0.0.1", "127.0.0.2"]) {
    assert.match(await heard(port, { localAddress }), /^220 /);
    assert.match(await heard(tlsPort, { tls: true, localAddress }), /^220 /);
  }
  for (const tls of [false, true]) {
    assert.match(await heard(tls ? tlsPort : port, { tls, localAddress: "127.0.0.3" }), tooManyInAll);
  }
});

test("a TLS handshake is over in its time, whatever the time that a client may be silent", async () => {
  const port = await freePort();
  const rules = {
    total: 10,
    perAddress: 10,
    handshakeMs: 5000,
    trusts: () => true,
    plainSignIn: false,
    failedSignIn: () => true,
    trustsProxy: () => false,
    refusedHeader: () => {},
  };
  const options = { cert: certificate.cert, key: certificate.key, socketTimeout: 60_000 };
  const all: Server[] = [];
  const first = new Server({ ...options, secure: true, logger: false }, rules, all);
  const plain = new Server({ ...options, logger: false, disableReverseLookup: true }, rules, all);
  all.push(first, plain);
  const plainPort = await freePort();
  for (const server of all) server.on("error", () => {});
  await Promise.all([once(first.listen(port), "listening"), once(plain.listen(plainPort), "listening")]);
  open.push({ close: async () => void (await Promise.all(all.map((server) => server.closeDoor()))) });
  const upgrading = await call(plainPort);
  await upgrading.hear();
  await upgrading.say("EHLO x");
  assert.is((await upgrading.say("STARTTLS")).code, 220);
  const [raw] = await silent(port, 1, "127.0.0.1");
  const late = () => all.forEach((server) => server.endLate(performance.now() + 5001));
  for (const server of all) server.endLate(performance.now() + 4000);
  await pause(100);
  assert.is(raw?.closed, false);
  late();
  await Promise.all([once(raw ?? upgrading.socket, "close"), upgrading.ended()]);
  const client = await call(port, { tls: true });
  await client.hear();
  late();
  assert.is((await client.say("NOOP")).code, 250);
});

test.run();
