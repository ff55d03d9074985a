/** Stands in for SendGrid: accepts every mail at once with 202 and no body. `GET /accepted` tells how many there were. */
import { createServer } from "node:http";

let accepted = 0;

createServer((request, response) => {
  if (request.method === "GET") {
    response.end(String(accepted));
    return;
  }
  request.resume().once("end", () => {
    const known = request.method === "POST" && request.url === "/v3/mail/send";
    if (known) accepted++;
    response.writeHead(known ? 202 : 404).end();
  });
}).listen(Number(process.env["PORT"]), "127.0.0.1");
