import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { serveProduction, type HttpServer } from "./server.ts";

const test = suite<{ server: HttpServer }>("HTTP server");

test.before(async (world) => {
  world.server = await serveProduction((_, answer) => answer({ status: 200, headers: {}, body: "Hello" }), { port: 0 });
});
test.after(async ({ server }) => {
  server.cut();
  await server.stopAccepting();
});

const good = "GET / HTTP/1.1\r\nHost: a\r\n";
const malformed = `${good}X-Folded: a\r\n b\r\n\r\n`;

/** Sends requests together, and returns the answers' status lines once the server has closed the connection. */
async function statusLines({ port }: HttpServer, ...requests: string[]): Promise<string[]> {
  const socket = connect({ port, allowHalfOpen: true, timeout: 5000 }, () => socket.write(requests.join("")));
  socket.on("timeout", () => socket.destroy(new Error("The server neither answers nor closes the connection.")));
  return (await text(socket)).split("\r\n").filter((line) => line.startsWith("HTTP/1.1 "));
}

test("a malformed head is answered with 400, and the connection ends", async ({ server }) => {
  assert.equal(await statusLines(server, malformed), ["HTTP/1.1 400 Bad Request"]);
});

for (const protocol of ["websocket", "h2c"]) {
  test(`who asks for ${protocol} is answered as ever, and is told to ask on another connection next`, async ({
    server,
  }) => {
    const upgrade = `${good}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
    assert.equal(await statusLines(server, upgrade), ["HTTP/1.1 200 OK"]);
    assert.equal(await statusLines(server, upgrade, malformed), ["HTTP/1.1 200 OK"]);
  });
}

test.run();
