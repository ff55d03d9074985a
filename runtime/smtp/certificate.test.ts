/** TLS on both ports: which versions, what a client is offered, and a certificate that changes while the system runs. */
import { X509Certificate } from "node:crypto";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeCertificate } from "../../ops/e2e/stand-ins/certificate.ts";
import { ownFolder } from "../../ops/harness/process.ts";
import { freePort } from "../../ops/harness/server.ts";
import { dial } from "../../ops/harness/smtp-dialogue.ts";
import { eventually } from "../../ops/harness/test.ts";
import { smtp, thisMachine } from "../index.ts";
import { tryFunction } from "../testing.ts";

const test = suite("TLS of the smtp trigger");
const folder = ownFolder("tls");
const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
let ports: { port: number; tlsPort: number };
let close: () => Promise<void>;
let metrics: () => Promise<string>;

const listenerOn = (given: typeof ports, certificate: { certFile: string; keyFile: string } | undefined) =>
  smtp({ ...given, certificate: { from: () => certificate }, access: thisMachine }).handle(async ({ message }) => {
    let bytes = 0;
    for await (const piece of message) bytes += piece.length;
    return { text: `took ${bytes} bytes` };
  });

async function install(): Promise<string> {
  const made = await makeCertificate();
  await copyFile(made.keyFile, keyFile);
  await copyFile(made.certFile, certFile);
  return made.cert;
}

test.before(async () => {
  await install();
  ports = { port: await freePort(), tlsPort: await freePort() };
  const listener = await tryFunction(listenerOn(ports, { certFile, keyFile }), {
    resources: { config: {} } as never,
  }).listen();
  ({ close, metrics } = listener);
});
test.after(() => close());

/** The certificate that a new connection is shown, or the fault that ends it. */
async function handshake(options: ConnectionOptions = {}): Promise<{ fingerprint: string; protocol: string | null }> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket: TLSSocket = connect(
    { host: "127.0.0.1", port: ports.tlsPort, rejectUnauthorized: false, ...options },
    () => resolve(socket),
  );
  socket.once("error", reject);
  await promise;
  const { fingerprint256 } = socket.getPeerCertificate();
  const protocol = socket.getProtocol();
  socket.destroy();
  return { fingerprint: fingerprint256, protocol };
}

/** When the metrics say that the certificate ends. */
async function toldEnd(): Promise<Date> {
  const [, seconds] = /^smtp_certificate_expires_timestamp_seconds\S* (\S+)$/m.exec(await metrics()) ?? [];
  return new Date(Number(seconds) * 1000);
}

test("STARTTLS is offered where it can be begun, and everything said before it is forgotten", async () => {
  const client = await dial(ports.port);
  await client.hear();
  assert.ok((await client.say("EHLO x")).lines.includes("STARTTLS"));
  await client.say("MAIL FROM:<a@example.com>");
  assert.is((await client.say("STARTTLS now")).code, 501);
  assert.is((await client.say("STARTTLS")).code, 220);
  await client.secure();
  assert.is((await client.say("RCPT TO:<b@example.com>")).code, 503);
  const hello = await client.say("EHLO x");
  assert.not(hello.lines.includes("STARTTLS"));
  assert.ok(hello.lines.includes("AUTH PLAIN LOGIN"));
  assert.is((await client.begin()).code, 354);
  assert.is((await client.message("hello")).text, "250 2.6.0 took 7 bytes\r\n");
  client.close();
});

test("TLS comes first on its own port, by 1.3, or by 1.2 for those that have no other; nothing older", async () => {
  assert.is((await handshake()).protocol, "TLSv1.3");
  assert.is((await handshake({ maxVersion: "TLSv1.2" })).protocol, "TLSv1.2");
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  assert.match(String(await handshake(old).catch((error: unknown) => error)), /alert|protocol|version/i);
});

test("a certificate that changes is used from then on, once its key is there as well; open connections go on", async () => {
  const before = (await handshake()).fingerprint;
  const open = await dial(ports.tlsPort, { tls: true });
  await open.hear();
  assert.equal(await toldEnd(), new X509Certificate(await readFile(certFile)).validToDate);
  const renewed = await makeCertificate(30);
  await writeFile(certFile, renewed.cert);
  await pause(1500);
  assert.is((await handshake()).fingerprint, before, "a certificate without its key is of no use");
  await copyFile(renewed.keyFile, keyFile);
  await eventually(async () => (await handshake()).fingerprint !== before, { what: "the new certificate is shown" });
  assert.equal(await toldEnd(), new X509Certificate(renewed.cert).validToDate);
  const plain = await dial(ports.port);
  await plain.hear();
  await plain.say("EHLO x");
  await plain.say("STARTTLS");
  await plain.secure();
  const socket = plain.socket as TLSSocket;
  assert.is(socket.getPeerCertificate().fingerprint256, (await handshake()).fingerprint);
  assert.is((await open.say("NOOP")).code, 250);
  open.close();
  plain.close();
});

test("without a certificate there is no STARTTLS, and the other port stays closed", async () => {
  const given = { port: await freePort(), tlsPort: await freePort() };
  const listener = await tryFunction(listenerOn(given, undefined), { resources: { config: {} } as never }).listen();
  const client = await dial(given.port);
  await client.hear();
  assert.not((await client.say("EHLO x")).lines.includes("STARTTLS"));
  assert.is((await client.say("STARTTLS")).code, 500);
  client.close();
  const refused = await dial(given.tlsPort)
    .then((one) => one.hear())
    .catch((error: unknown) => error);
  assert.instance(refused, Error);
  await listener.close();
});

test("a client that never begins TLS holds up nobody who closes", async () => {
  const given = { port: await freePort(), tlsPort: await freePort() };
  const fn = listenerOn(given, { certFile, keyFile });
  const listener = await tryFunction(fn, { resources: { config: {} } as never }).listen();
  const silent = await dial(given.tlsPort);
  await pause(100);
  const started = performance.now();
  await listener.close();
  assert.ok(performance.now() - started < 2000);
  await silent.ended();
});

test("a certificate that cannot be used is told to whoever starts the system, in a sentence", async () => {
  const given = { port: await freePort(), tlsPort: await freePort() };
  const start = async (certificate: { certFile: string; keyFile: string }) => {
    const fn = listenerOn(given, certificate);
    const failure = await tryFunction(fn, { resources: { config: {} } as never })
      .listen()
      .then(() => "none", String);
    return failure.replaceAll(folder, "");
  };
  assert.match(
    await start({ certFile: "/nowhere", keyFile }),
    /The file \/nowhere of the SMTP certificate cannot be read/,
  );
  assert.match(await start({ certFile, keyFile: certFile }), /are no certificate in PEM and its key/);
});

test.run();
