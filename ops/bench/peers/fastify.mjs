// Fastify with JSON schemas for query and reply, as its guide recommends; its logger stays off, as it is by default.
import Fastify from "fastify";

const app = Fastify();
const schema = {
  querystring: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  response: { 200: { type: "object", properties: { greeting: { type: "string" } }, required: ["greeting"] } },
};
app.get("/hello", { schema }, async (request) => ({ greeting: `Hello, ${request.query.name}` }));
await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
