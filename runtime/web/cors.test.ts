import { pino } from "pino";
import { Type } from "typebox";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bareSettings, createHost } from "../host/create.ts";
import { Metrics } from "../host/metrics.ts";
import { anyone, http, Problem } from "../index.ts";
import { httpTrigger } from "../triggers/http.ts";

const origin = "https://crm.example.com";

const busy = http.put("/busy", { access: anyone, returns: Type.Object({}) }).handle(() => {
  throw new Problem(429, "busy", "Later", { headers: { "retry-after": "7", vary: "Accept" } });
});

async function ask(corsOrigins: string[], init: RequestInit, path = "/busy"): Promise<Response> {
  const settings = { ...bareSettings, http: { port: 0, corsOrigins } };
  const host = createHost({ settings, resources: {} as never, log: pino({ level: "silent" }) }, new Metrics());
  const trigger = httpTrigger(host);
  await trigger.mount({ name: "busy", file: "busy.ts", definition: busy, hash: "1", inputs: [] });
  const response = await trigger.fetch(new Request(`http://x${path}`, init));
  host.timeLimits.close();
  return response;
}

const preflight = (from: string): RequestInit => ({
  method: "OPTIONS",
  headers: { origin: from, "access-control-request-method": "PUT", "access-control-request-headers": "authorization" },
});

test("a page of an allowed origin may ask, and may read why it has to wait", async () => {
  const before = await ask([origin], preflight(origin));
  assert.is(before.status, 204);
  assert.is(before.headers.get("access-control-allow-origin"), origin);
  assert.is(before.headers.get("access-control-allow-methods"), "PUT");
  assert.match(before.headers.get("access-control-allow-headers") ?? "", "Authorization");
  assert.is(before.headers.get("access-control-allow-credentials"), null);
  const answer = await ask([origin], { method: "PUT", headers: { origin } });
  assert.is(answer.status, 429);
  assert.is(answer.headers.get("access-control-allow-origin"), origin);
  assert.is(answer.headers.get("vary"), "Accept, Origin");
  for (const name of ["Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]) {
    assert.match(answer.headers.get("access-control-expose-headers") ?? "", name);
  }
  assert.is(
    (await ask([origin], { headers: { origin } }, "/nowhere")).headers.get("access-control-allow-origin"),
    origin,
  );
});

test("any other origin may not, however like it looks", async () => {
  const others = [
    "https://crm.example.com.evil.test",
    "http://crm.example.com",
    "https://crm.example.com:8443",
    "null",
    "HTTPS://crm.example.com",
  ];
  for (const other of others) {
    for (const init of [preflight(other), { method: "PUT", headers: { origin: other } }]) {
      const { headers } = await ask([origin], init);
      assert.is(headers.get("access-control-allow-origin"), null, other);
      assert.is(headers.get("access-control-allow-methods"), null, other);
      assert.match(headers.get("vary") ?? "", "Origin");
    }
  }
  assert.is((await ask([origin], { method: "PUT" })).headers.get("access-control-allow-origin"), null);
});

test("by default no page may, and nothing is said of origins", async () => {
  const { headers } = await ask([], { method: "PUT", headers: { origin } });
  assert.is(headers.get("access-control-allow-origin"), null);
  assert.is(headers.get("vary"), "Accept");
});

test.run();
