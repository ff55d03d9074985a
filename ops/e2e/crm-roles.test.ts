/** Who may call what: every route of the CRM for every role, so that none is open to more than it is meant for. */
import { Type } from "typebox";
import { Value } from "typebox/value";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startCrm, type Crm } from "./crm.ts";
import { stopAll } from "./system.ts";

const story = suite("roles of the CRM");

type Meant = "admin" | "marketing" | "customer service" | "every user" | "anyone";

/** A route that is not here fails: say who it is meant for. */
const routes: Record<Meant, string[]> = {
  anyone: [
    "POST /api/v1/auth/login",
    "GET /r/{signed}",
    "POST /webhooks/line",
    "GET /static/uploads/images/{category}/{name}",
    "GET /api/v1/analytics/reports/{link}",
  ],
  "every user": [
    "POST /api/v1/auth/refresh",
    "GET /api/v1/auth/me",
    "PUT /api/v1/auth/password",
    "GET /api/v1/members",
    "GET /api/v1/members/{id}",
    "GET /api/v1/members/{id}/consumption-records",
    "POST /api/v1/members/{id}/tags",
    "DELETE /api/v1/members/{id}/tags/{tag_id}",
    "PUT /api/v1/members/{id}/notes",
    "GET /api/v1/tags",
    "GET /api/v1/tags/{id}",
    "GET /api/v1/tags/statistics",
    "POST /api/v1/upload/image",
  ],
  "customer service": [
    "GET /api/v1/messages",
    "POST /api/v1/messages",
    "GET /api/v1/messages/conversation/{member_id}",
  ],
  marketing: [
    "POST /api/v1/members",
    "PUT /api/v1/members/{id}",
    "DELETE /api/v1/members/{id}",
    "POST /api/v1/tags",
    "PUT /api/v1/tags/{id}",
    "DELETE /api/v1/tags/{id}",
    "GET /api/v1/templates",
    "POST /api/v1/templates",
    "GET /api/v1/templates/{id}",
    "PUT /api/v1/templates/{id}",
    "DELETE /api/v1/templates/{id}",
    "GET /api/v1/campaigns",
    "POST /api/v1/campaigns",
    "GET /api/v1/campaigns/{id}",
    "PUT /api/v1/campaigns/{id}",
    "DELETE /api/v1/campaigns/{id}",
    "GET /api/v1/campaigns/{id}/preview",
    "GET /api/v1/campaigns/{id}/recipients",
    "GET /api/v1/campaigns/{id}/progress",
    "POST /api/v1/campaigns/{id}/send",
    "POST /api/v1/campaigns/{id}/test",
    "POST /api/v1/campaigns/{id}/pause",
    "POST /api/v1/campaigns/{id}/resume",
    "POST /api/v1/campaigns/{id}/cancel",
    "GET /api/v1/auto-responses",
    "POST /api/v1/auto-responses",
    "GET /api/v1/auto-responses/{id}",
    "PUT /api/v1/auto-responses/{id}",
    "DELETE /api/v1/auto-responses/{id}",
    "PATCH /api/v1/auto-responses/{id}/toggle",
    "GET /api/v1/analytics/overview",
    "GET /api/v1/analytics/campaign-performance",
    "GET /api/v1/analytics/tag-distribution",
    "GET /api/v1/analytics/trends",
    "POST /api/v1/analytics/export",
    "GET /api/v1/analytics/exports/{id}",
    "GET /api/v1/pms/sync-status/{task_id}",
    "GET /api/v1/pms/reviews",
  ],
  admin: [
    "POST /api/v1/pms/sync",
    "POST /api/v1/pms/reviews/{id}",
    "GET /api/v1/users",
    "POST /api/v1/users",
    "PUT /api/v1/users/{id}",
  ],
};

let crm: Crm;
story.before(async () => void (crm = await startCrm({ env: { LINE_CHANNEL_SECRET: "secret" } })));
story.after(async () => {
  await stopAll();
  await crm.close();
});

/** `GET /api/v1/members`, as the documentation of the running system has them. */
async function described(): Promise<string[]> {
  const { text } = await crm.system.call("/openapi.json");
  const Paths = Type.Object({ paths: Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown())) });
  const { paths } = Value.Parse(Paths, JSON.parse(text));
  return Object.entries(paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((route) => !/ \/(?:health|metrics|openapi|docs)/.test(route));
}

/** The status of a call about what is not there, with an empty body. Does not wait for an answer that goes on. */
async function statusOf(route: string, token: string | null): Promise<number> {
  const [method = "", path = ""] = route.split(" ");
  const response = await fetch(crm.system.url + path.replace(/\{\w+\}/g, "999999999"), {
    method,
    redirect: "manual",
    headers: { ...(token !== null && { authorization: `Bearer ${token}` }), "content-type": "application/json" },
    ...(method !== "GET" && method !== "DELETE" && { body: "{}" }),
  });
  await response.body?.cancel();
  return response.status;
}

story("every route says who it is meant for", async () => {
  const there = new Set(await described());
  const named = new Set(Object.values(routes).flat());
  assert.equal([...there.difference(named)], [], "routes that nobody has said anything of");
  assert.equal([...named.difference(there)], [], "routes that are not there any more");
});

story("every role does what it is meant to, and nothing else", async () => {
  const people = {
    admin: crm.admin.token,
    marketing: (await crm.person("marketing")).token,
    "customer service": (await crm.person("customer_service")).token,
  };
  const wrong: string[] = [];
  for (const [meant, ofThem] of Object.entries(routes)) {
    for (const route of ofThem) {
      const expect = async (who: string, token: string | null, isRight: (status: number) => boolean) => {
        const status = await statusOf(route, token);
        if (!isRight(status) || status >= 500) wrong.push(`${route} answers ${who} with ${status}`);
      };
      if (meant === "anyone") continue;
      await expect("nobody", null, (status) => status === 401);
      await expect("a forger", "x.y.z", (status) => status === 401);
      for (const [role, token] of Object.entries(people)) {
        const may = role === "admin" || meant === "every user" || meant === role;
        await expect(role, token, (status) => (may ? status !== 401 && status !== 403 : status === 403));
      }
    }
  }
  assert.equal(wrong, []);
});

story("what is open to anyone looks at something else than a role", async () => {
  assert.is(await statusOf("POST /api/v1/auth/login", null), 400, "a password");
  assert.is(await statusOf("POST /webhooks/line", null), 401, "LINE's signature");
  assert.is(await statusOf("GET /r/{signed}", null), 404, "our own signature");
});

story.run();
