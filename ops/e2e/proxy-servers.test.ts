/** HAProxy and the servers behind it, which come, go, refuse and break off: with its configuration as it is. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { Agent } from "node:https";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../harness/server.ts";
import { eventually } from "../harness/test.ts";
import { callProxy, servedBy, startProxy, type Proxy } from "./proxy.ts";
import { startDns, type Dns } from "./stand-ins/dns.ts";

const story = suite("servers behind HAProxy");
let port = 0;
let dns: Dns;
let proxy: Proxy;

/** A container at an address of its own. */
interface Container {
  server: Server;
  isReady: boolean;
  /** What it does with a request that it has received. */
  mood: "answers" | "breaks off";
  /** Requests that it has received, health checks aside. */
  received: number;
}

const containers = new Map<string, Container>();

async function run(address: string): Promise<Container> {
  const container: Container = { server: createServer(), isReady: true, mood: "answers", received: 0 };
  container.server.on("request", (request, response) => {
    if (request.url === "/health/ready") return void response.writeHead(container.isReady ? 200 : 503).end();
    container.received++;
    request.resume().once("end", () => {
      if (container.mood === "answers") response.end(address);
      else request.socket.destroy();
    });
  });
  await once(container.server.listen(port, address), "listening");
  containers.set(address, container);
  return container;
}

async function end(address: string): Promise<void> {
  const server = containers.get(address)?.server;
  containers.delete(address);
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
}

const tell = (...addresses: string[]) => void dns.names.set("api", addresses);

/** Who answers this many requests. */
async function answering(count = 20): Promise<string[]> {
  const answers = Array.from({ length: count }, () => callProxy(proxy, { path: "/x", method: "POST", body: "x" }));
  const all = await Promise.all(answers);
  for (const { status, text } of all) assert.is(status, 200, text);
  return [...new Set(all.map(({ text }) => text))].toSorted();
}

story.before(async () => {
  port = await freePort();
  dns = await startDns();
  await run("127.0.0.1");
  await run("127.0.0.2");
  tell("127.0.0.1", "127.0.0.2");
  const env = { DNS_SERVER: `127.0.0.1:${dns.port}`, API_SERVERS: `api:${port}` };
  proxy = await startProxy("by DNS", env);
});
story.after(async () => {
  await Promise.all([...containers.keys()].map(end));
  await dns.close();
});

story("all that DNS has for a name get requests, and a new one does within seconds", async () => {
  await eventually(async () => (await proxy.up("api")).length === 2, { what: "two serve", within: 15_000 });
  assert.equal(await answering(), ["127.0.0.1", "127.0.0.2"]);
  await run("127.0.0.3");
  tell("127.0.0.1", "127.0.0.2", "127.0.0.3");
  await eventually(async () => (await answering()).length === 3, { what: "the third serves", within: 15_000 });
});

story("with DNS away, everything stays as it is", async () => {
  dns.isAway = true;
  await pause(6000);
  assert.is((await answering()).length, 3);
  dns.isAway = false;
});

story("one that is not ready any more gets no request, long before it closes", async () => {
  const third = containers.get("127.0.0.3");
  assert.ok(third);
  third.isReady = false;
  const from = performance.now();
  await eventually(async () => (await proxy.up("api")).length === 2, { what: "it is out" });
  const took = performance.now() - from;
  assert.ok(took < 2500, `${took} ms`);
  const before = third.received;
  assert.equal(await answering(), ["127.0.0.1", "127.0.0.2"]);
  assert.is(third.received, before);
  await end("127.0.0.3");
  tell("127.0.0.1", "127.0.0.2");
});

story("one that has gone without a word: what it cannot have received goes to another", async () => {
  await end("127.0.0.2");
  // At once, before any check has noticed.
  assert.equal(await answering(), ["127.0.0.1"]);
  await eventually(async () => (await proxy.up("api")).length === 1, { what: "it is out", within: 15_000 });
  await run("127.0.0.2");
  await eventually(async () => (await proxy.up("api")).length === 2, { what: "it is back", within: 15_000 });
});

story("what one may have received before it broke off is told, and never sent to another", async () => {
  for (const container of containers.values()) Object.assign(container, { mood: "breaks off", received: 0 });
  const kept = new Agent({ keepAlive: true });
  for (let n = 1; n <= 10; n++) {
    // On a connection that has served before, HAProxy says nothing and closes: its client knows what that means.
    const agent = n > 5 ? kept : new Agent();
    const call = callProxy(proxy, { path: "/x", method: "POST", body: "x", agent });
    const { status, text } = await call.catch((error: unknown) => ({ status: 0, text: String(error) }));
    assert.match(`${status} ${text}`, n > 5 ? /^502 |hang up/ : /^502 .*"bad_gateway"/);
    const received = [...containers.values()].reduce((sum, one) => sum + one.received, 0);
    assert.is(received, n, "each was received once");
  }
  kept.destroy();
  for (const container of containers.values()) container.mood = "answers";
});

story("with none ready the answer is 503 at once, in JSON", async () => {
  for (const container of containers.values()) container.isReady = false;
  await servedBy(proxy, "api");
  const from = performance.now();
  const answer = await callProxy(proxy, { path: "/x", method: "POST", body: "x" });
  assert.ok(performance.now() - from < 1000);
  assert.equal([answer.status, JSON.parse(answer.text).error], [503, "unavailable"]);
});

story("who sends its headers drop by drop is not waited for", async () => {
  const from = performance.now();
  const slow = await fetch(`http://127.0.0.1:${proxy.httpPort}/`, { redirect: "manual" });
  assert.is(slow.status, 308, "others are answered");
  const socket = connect(proxy.httpPort, "127.0.0.1");
  socket.on("error", () => {}).resume();
  const drop = setInterval(() => socket.write("X: y\r\n"), 500);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
  await once(socket, "close");
  clearInterval(drop);
  const took = performance.now() - from;
  assert.ok(took > 9000 && took < 12_000, `${took} ms`);
});

story.run();
