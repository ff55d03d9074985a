import { Type } from "typebox";
import { anyone, http, reply } from "#runtime";
import { checkHealth } from "#lib/health.ts";

const State = Type.Enum(["ok", "error"]);

const Health = Type.Object({
  status: Type.Enum(["healthy", "degraded"]),
  version: Type.String(),
  services: Type.Object({ postgresql: State, keydb: State, rabbitmq: State }),
  message: Type.Optional(Type.String({ description: "What does not hold for now" })),
});

export default http
  .get("/health", {
    summary: "Whether the system and the parts that it stands on are well",
    access: anyone,
    returns: Health,
    status: [200, 503],
  })
  .handle(async (_request, ctx) => {
    const health = await checkHealth(ctx);
    return reply(health.status === "healthy" ? 200 : 503, health);
  });
