import { once } from "node:events";
import { Agent, createServer, type Server } from "node:http";
import { Agent as SecureAgent, createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeCertificate } from "../../ops/e2e/stand-ins/certificate.ts";
import { post, PostFailure, type PostBody, type Progress } from "./http-post.ts";

/** A server that reads so many bytes of a request's body, and then cuts the connection. */
async function cutAfter(bytes: number): Promise<Server> {
  const server = createServer((request) => {
    let read = 0;
    request.on("data", (chunk: Buffer) => {
      read += chunk.length;
      if (read >= bytes) request.socket.resetAndDestroy();
    });
    request.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function progressOf(server: Server, body: PostBody | Buffer): Promise<Progress> {
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  const url = new URL(`http://127.0.0.1:${port}/`);
  try {
    await post({ url, headers: {}, body, agent, signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    if (error instanceof PostFailure) return error.progress;
    throw error;
  } finally {
    agent.destroy();
    server.close();
  }
  throw new Error("there was an answer");
}

const test = suite("posting");

test("a request that was cut before its last byte was not acted upon", async () => {
  const chunks = async function* () {
    yield Buffer.alloc(1000);
    await new Promise(() => {});
  };
  assert.is(await progressOf(await cutAfter(1000), { length: 2000, chunks }), "sending");
});

test("one whose every byte has left may have been, also when its stream has not ended yet", async () => {
  const chunks = async function* () {
    yield Buffer.alloc(2000);
    await new Promise(() => {});
  };
  assert.is(await progressOf(await cutAfter(2000), { length: 2000, chunks }), "sent");
});

test("one that went in one write may have arrived", async () => {
  assert.is(await progressOf(await cutAfter(2000), Buffer.alloc(2000)), "sent");
});

test("more requests than connections are all answered, over connections that are kept", async () => {
  const { key, cert } = await makeCertificate();
  const handler: Parameters<typeof createServer>[1] = (request, response) => {
    request.resume().on("end", () => setImmediate(() => response.end("{}")));
  };
  const limits = { keepAlive: true, maxSockets: 2 };
  for (const [server, agent, scheme] of [
    [createServer(handler), new Agent(limits), "http"],
    [createSecureServer({ key, cert }, handler), new SecureAgent({ ...limits, ca: cert }), "https"],
  ] as const) {
    let connections = 0;
    server.on(scheme === "https" ? "secureConnection" : "connection", () => connections++);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = new URL(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const one = () => post({ url, headers: {}, body: Buffer.from("{}"), agent, signal: AbortSignal.timeout(60_000) });
    const answers = await Promise.all(Array.from({ length: 20 }, one));
    assert.equal(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.is(connections, 2, scheme);
    agent.destroy();
    server.close();
  }
});

test.run();
