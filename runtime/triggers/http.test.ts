import { createHmac } from "node:crypto";
import { Type } from "typebox";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Access } from "../access.ts";
import { anyone, http, Problem, redirect, reply } from "../index.ts";
import { tryFunction } from "../testing.ts";
import { openapi } from "../web/openapi.ts";

const Echo = Type.Object({ text: Type.String(), times: Type.Integer({ maximum: 5 }) });

const echo = http
  .post("/echo/:name", {
    access: anyone,
    params: Type.Object({ name: Type.String() }),
    query: Type.Object({ loud: Type.Boolean({ default: false }) }),
    body: Echo,
    bodyLimit: 100,
    returns: Type.Object({ said: Type.String() }),
  })
  .handle(async ({ params, query, body }) => ({
    said: `${params.name}: ${(query.loud ? body.text.toUpperCase() : body.text).repeat(body.times)}`,
  }));

async function json(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>;
}

test("a request that fits its contract reaches the handler, typed", async () => {
  const response = await tryFunction(echo).fetch("/echo/Jos%C3%A9?loud=true", { body: { text: "a", times: 3 } });
  assert.is(response.status, 200);
  assert.is(response.headers.get("content-type"), "application/json; charset=utf-8");
  assert.ok(response.headers.get("x-request-id"));
  assert.equal(await response.json(), { said: "José: AAA" });
});

test("what does not fit is refused with its field", async () => {
  const cases: [init: Parameters<ReturnType<typeof tryFunction>["fetch"]>[1], status: number, code: string][] = [
    [{ body: { text: "a" } }, 400, "invalid_request"],
    [{ body: { text: "a", times: 6 } }, 400, "invalid_request"],
    [{ body: "{" }, 400, "invalid_json"],
    [{ body: "" }, 400, "invalid_json"],
    [{ body: "x", headers: { "content-type": "text/plain" } }, 415, "unsupported_media_type"],
    [{ body: { text: "a".repeat(200), times: 1 } }, 413, "request_too_large"],
  ];
  for (const [init, status, code] of cases) {
    const response = await tryFunction(echo).fetch("/echo/x", init);
    assert.is(response.status, status, JSON.stringify(init));
    assert.is((await json(response))["code"], code, JSON.stringify(init));
  }
  const badQuery = await tryFunction(echo).fetch("/echo/x?loud=maybe", { body: { text: "a", times: 1 } });
  assert.equal((await json(badQuery))["errors"], [{ field: "loud", message: "must be boolean" }]);
  const twice = await tryFunction(echo).fetch("/echo/x?loud=true&loud=false", { body: { text: "a", times: 1 } });
  assert.is(twice.status, 400);
  const badPath = await tryFunction(echo).fetch("/echo/%E0%A4%A", { body: { text: "a", times: 1 } });
  assert.is(badPath.status, 400);
});

test("an unknown address is 404, a wrong method 405 with what would do", async () => {
  assert.is((await tryFunction(echo).fetch("/nowhere", { body: {} })).status, 404);
  const wrong = await tryFunction(echo).fetch("/echo/x", { method: "DELETE" });
  assert.is(wrong.status, 405);
  assert.is(wrong.headers.get("allow"), "POST");
  assert.is((await tryFunction(echo).fetch("/echo/x", { method: "OPTIONS" })).status, 204);
});

test("a problem is told in the style of its API; anything else shows nothing of itself", async () => {
  const style = {
    problemContentType: "application/json",
    problem: ({ code }: Problem) => ({ oops: code }),
    problemSchema: Type.Object({ oops: Type.String() }),
  };
  const contract = { access: anyone, returns: Type.Object({}) };
  const teapot = http.style(style).get("/tea", contract);
  const known = teapot.handle(() => {
    throw new Problem(418, "teapot", "I am a teapot", { headers: { "x-pot": "1" } });
  });
  const response = await tryFunction(known).fetch("/tea");
  assert.is(response.status, 418);
  assert.is(response.headers.get("x-pot"), "1");
  assert.equal(await response.json(), { oops: "teapot" });

  const unknown = teapot.handle(() => {
    throw new Error("the password is hunter2");
  });
  const bare = await tryFunction(unknown).fetch("/tea");
  assert.is(bare.status, 500);
  assert.equal(await bare.json(), { oops: "internal_error" });
});

test("access is decided before the body is read, and its caller reaches the handler", async () => {
  const key: Access<{ name: string }> = {
    name: "key",
    check(request) {
      if (request.header("x-key") !== "secret") throw new Problem(401, "no_key", "Bring the key");
      return { name: "Ada" };
    },
  };
  const guarded = http
    .post("/guarded", { access: key, body: Echo, returns: Type.Object({ hello: Type.String() }) })
    .handle(({ caller }) => ({ hello: caller.name }));
  assert.is((await tryFunction(guarded).fetch("/guarded", { body: "not even json" })).status, 401);
  const body = { text: "", times: 1 };
  const admitted = await tryFunction(guarded).fetch("/guarded", { headers: { "x-key": "secret" }, body });
  assert.equal(await admitted.json(), { hello: "Ada" });
});

test("a signature over the bytes of a body is checked before anything is made of them", async () => {
  const sign = (body: string | Buffer) => createHmac("sha256", "secret").update(body).digest("base64");
  const signed: Access<undefined> = {
    name: "signed",
    check(request) {
      if (request.header("x-signature") === undefined) throw new Problem(401, "unsigned", "Sign it");
    },
    async checkBody(body, request) {
      if (request.header("x-signature") !== sign(body)) throw new Problem(401, "bad_signature", "Not signed by you");
    },
  };
  const hook = http
    .post("/hook", { access: signed, body: Echo, bodyLimit: 600_000, returns: Type.Object({ times: Type.Integer() }) })
    .handle(({ body }) => ({ times: body.times }));
  const tried = tryFunction(hook);
  const text = '{ "times":\t2, "text": "caf\\u00e9 \u{1f375}" }';
  const large = JSON.stringify({ times: 3, text: "x".repeat(400_000) });
  for (const body of [text, large]) {
    // Of a known length, and of one that shows at the end.
    for (const length of [{ "content-length": String(Buffer.byteLength(body)) }, undefined]) {
      const response = await tried.fetch("/hook", { body, headers: { "x-signature": sign(body), ...length } });
      assert.equal(await response.json(), { times: body === text ? 2 : 3 });
    }
  }
  const codes: [body: string, signature: string | undefined, code: string][] = [
    [text, sign(JSON.stringify(JSON.parse(text))), "bad_signature"],
    ["not even json", sign(text), "bad_signature"],
    ["not even json", sign("not even json"), "invalid_json"],
    ['{"times":9,"text":""}', sign('{"times":9,"text":""}'), "invalid_request"],
    ["x".repeat(700_000), sign(text), "request_too_large"],
    ["not even json", undefined, "unsigned"],
  ];
  for (const [body, signature, code] of codes) {
    const headers: Record<string, string> = signature === undefined ? {} : { "x-signature": signature };
    assert.is((await json(await tried.fetch("/hook", { body, headers })))["code"], code);
  }
});

test("a redirect has its address and no body, and nothing but an address gets into it", async () => {
  const contract = {
    access: anyone,
    query: Type.Object({ to: Type.String() }),
    returns: Type.Undefined(),
    status: 302,
  } as const;
  const link = http.get("/r", contract).handle(({ query }) => redirect(query.to));
  const { fetch } = tryFunction(link);
  const response = await fetch(`/r?to=${encodeURIComponent("https://example.com/房間?a=1\r\nset-cookie: b=2")}`);
  assert.is(response.status, 302);
  assert.is(response.headers.get("location"), "https://example.com/%E6%88%BF%E9%96%93?a=1set-cookie:%20b=2");
  assert.is(response.headers.get("set-cookie"), null);
  assert.is(response.headers.get("content-type"), null);
  assert.is(await response.text(), "");
  assert.is((await fetch("/r?to=nowhere")).status, 500);
  const loaded = { name: "r", file: "r.ts", definition: link, hash: "1", inputs: [] };
  const document = JSON.parse(JSON.stringify(openapi({ title: "T", version: "1", description: "" }, [loaded])));
  const { headers, content } = document.paths["/r"].get.responses["302"];
  assert.ok(headers.Location);
  assert.is(content, undefined);
});

test("a handler picks a status and headers with reply; one that breaks its contract is a 500 in development", async () => {
  const made = http
    .post("/made", { access: anyone, returns: Type.Object({ id: Type.Integer() }), status: [200, 201] })
    .handle(() => reply(201, { id: 1 }, { Location: "/made/1", "Content-Type": "application/vnd.thing+json" }));
  const response = await tryFunction(made).fetch("/made", { body: {} });
  assert.is(response.status, 201);
  assert.is(response.headers.get("location"), "/made/1");
  assert.is(response.headers.get("content-type"), "application/vnd.thing+json");

  const wrong = http
    .get("/wrong", { access: anyone, returns: Type.Object({ id: Type.Integer({ minimum: 5 }) }) })
    .handle(() => ({ id: 1 }));
  assert.is((await tryFunction(wrong).fetch("/wrong")).status, 500);
});

test("a header that HTTP cannot carry is a 500, and harms nobody else", async () => {
  const location = "/a\r\nset-cookie: stolen=1";
  const split = http
    .get("/split", { access: anyone, returns: Type.Object({ a: Type.Integer() }), status: [201] })
    .handle(() => reply(201, { a: 1 }, { location }));
  const response = await tryFunction(split).fetch("/split");
  assert.is(response.status, 500);
  assert.is(response.headers.get("set-cookie"), null);
});

test("a HEAD request gets the headers of GET alone", async () => {
  const page = http
    .get("/page", { access: anyone, returns: Type.Object({ a: Type.Integer() }) })
    .handle(() => ({ a: 1 }));
  const response = await tryFunction(page).fetch("/page", { method: "HEAD" });
  assert.is(response.status, 200);
  assert.is(await response.text(), "");
});

test("past its time limit a call is answered 504 and its signal aborts", async () => {
  const aborted = Promise.withResolvers<void>();
  const slow = http
    .get("/slow", { access: anyone, returns: Type.Object({}), timeLimitMs: 60 })
    .handle(async (_request, ctx) => {
      ctx.signal.addEventListener("abort", () => aborted.resolve());
      await aborted.promise;
      return {};
    });
  const response = await tryFunction(slow).fetch("/slow");
  assert.is(response.status, 504);
  assert.is((await json(response))["code"], "time_limit");
  await aborted.promise;
});

// The compiler is the judge of these: a mistake that it stops reporting fails the type check.
http
  .get("/types", { access: anyone, returns: Type.Object({ state: Type.Literal("on") }), status: [200, 503] })
  // @ts-expect-error a wrong literal in a reply
  .handle(() => ({ state: "off" }));
http
  .get("/types", { access: anyone, returns: Type.Object({ id: Type.Integer() }), status: [200, 503] })
  // @ts-expect-error a status that the contract does not have
  .handle(() => reply(404, { id: 1 }));
http
  .get("/types", { access: anyone, query: Type.Object({ page: Type.Integer() }), returns: Type.Object({}) })
  // @ts-expect-error a query parameter that the contract does not have
  .handle(({ query }) => ({ limit: query.limit }));

test.run();
