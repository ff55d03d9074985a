// The ceiling: bare node:http, no routing, the reply that all give.
import { createServer } from "node:http";

const server = createServer((_request, response) => {
  const body = JSON.stringify({ greeting: "Hello, bench" });
  response.writeHead(200, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
});
server.listen(Number(process.env.PORT), "127.0.0.1");
