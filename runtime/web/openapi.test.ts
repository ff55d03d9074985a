import { Type } from "typebox";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Loaded } from "../host/slot.ts";
import { http, Problem } from "../index.ts";
import { openapi } from "./openapi.ts";

const locked = Problem.kind(401, "locked", "Bring a key");
const gone = Problem.kind(404, "gone", "It is not there");
const key = {
  name: "key",
  scheme: { name: "key", definition: { type: "apiKey" } },
  problems: [locked],
  check: () => 1,
};

const definition = http
  .put("/things/:id", {
    summary: "Change a thing",
    access: key,
    params: Type.Object({ id: Type.Integer({ description: "Its number" }) }),
    query: Type.Object({ dry: Type.Boolean({ default: false }) }),
    body: Type.Object({ name: Type.String() }),
    returns: Type.Object({ name: Type.String() }),
    status: [200, 201],
    headers: { request: { "If-Match": "Version" }, reply: { ETag: "New version" } },
    problems: [gone],
  })
  .handle(({ body }) => body);

const loaded: Loaded = { name: "shop/change", file: "functions/shop/change.ts", definition, hash: "1", inputs: [] };

test("a contract is its documentation", () => {
  const document = openapi({ title: "Shop", version: "1", description: "" }, [loaded]);
  const operation = JSON.parse(JSON.stringify(document)).paths["/things/{id}"].put;
  assert.is(operation.operationId, "shop.change");
  assert.equal(operation.tags, ["shop"]);
  assert.equal(
    operation.parameters.map((one: { in: string; name: string; required?: boolean }) => [
      one.in,
      one.name,
      one.required,
    ]),
    [
      ["path", "id", true],
      ["query", "dry", false],
      ["header", "If-Match", undefined],
    ],
  );
  assert.is(operation.requestBody.content["application/json"].schema.properties.name.type, "string");
  assert.equal(Object.keys(operation.responses), ["200", "201", "400", "401", "404", "413", "415"]);
  assert.ok(operation.responses["200"].headers.ETag);
  assert.match(operation.responses["404"].description, "`gone`: It is not there");
  assert.ok(operation.responses["404"].content["application/problem+json"]);
  assert.equal(operation.security, [{ key: [] }]);
});

test.run();
