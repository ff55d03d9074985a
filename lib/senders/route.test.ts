import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../../runtime/problem.ts";
import { domainOf, route, type Route, type Routed } from "./route.ts";

type Routing = Parameters<typeof route>[0];

const full: Routing = {
  sender: "auto",
  organisationDomains: ["corp.example", "corp.test"],
  sendgrid: { apiKey: "SG.x", baseUrl: "https://api.sendgrid.com", sandbox: false },
  microsoft: { tenantId: "t", clientId: "c", clientSecret: "s" },
  relay: { host: "relay.example", port: 25, secure: "starttls", from: undefined, auth: { kind: "none" } },
  production: true,
};
const bare: Routing = { ...full, sendgrid: undefined, microsoft: undefined, relay: undefined };
const development: Routing = { ...bare, production: false };

const api = (domain: string): Routed => ({ source: "api", domain, ownRelay: false });
const smtp = (domain: string): Routed => ({ source: "smtp", domain, ownRelay: false });
const scheduled = (domain: string, ownRelay = false): Routed => ({ source: "schedule", domain, ownRelay });

const byConfig: Route = { by: "graph", credentials: "sender config" };
const byEnvironment: Route = { by: "graph", credentials: "environment" };
const sendgrid: Route = { by: "sendgrid" };
const sandbox: Route = { by: "sandbox" };

const cases: [story: string, config: Routing, mail: Routed, way: Route | "sender_not_configured"][] = [
  ["the organisation's mail by the API leaves by Graph, as its sender's", full, api("corp.example"), byConfig],
  ["so does that of its second domain", full, api("corp.test"), byConfig],
  ["the organisation's mail by SMTP leaves by Graph, as the environment's", full, smtp("corp.example"), byEnvironment],
  ["any other domain by the API leaves by SendGrid", full, api("acme.example"), sendgrid],
  ["any other domain by SMTP leaves by SendGrid, too", full, smtp("acme.example"), sendgrid],
  ["scheduled mail leaves by its own relay", full, scheduled("corp.example", true), { by: "relay", relay: "own" }],
  ["without one, by the environment's", full, scheduled("acme.example"), { by: "relay", relay: "environment" }],
  ["without that, as the API's: the organisation's", { ...full, relay: undefined }, scheduled("corp.test"), byConfig],
  ["and any other", { ...full, relay: undefined }, scheduled("acme.example"), sendgrid],
  [
    "mail by the API never leaves by a relay",
    { ...bare, relay: full.relay },
    api("a.example"),
    "sender_not_configured",
  ],

  ["a subdomain of the organisation is another domain", full, api("sub.corp.example"), sendgrid],
  ["a domain that ends like the organisation's is another domain", full, api("evilcorp.example"), sendgrid],
  ["a domain that begins like it is another domain, too", full, api("corp.example.evil.example"), sendgrid],
  ["the organisation's mail never leaves by SendGrid", bare, smtp("corp.example"), "sender_not_configured"],
  ["without a key nothing leaves in production", bare, api("acme.example"), "sender_not_configured"],

  ["without a key, development keeps mail in the sandbox", development, api("acme.example"), sandbox],
  ["also mail by SMTP from the organisation", development, smtp("corp.example"), sandbox],
  ["but the organisation's API mail still asks for its sender", development, api("corp.example"), byConfig],
  ["a forced sandbox wins over a key", { ...full, sender: "sandbox" }, api("acme.example"), sandbox],
  ["over the organisation", { ...full, sender: "sandbox" }, api("corp.example"), sandbox],
  ["and over a relay", { ...full, sender: "sandbox" }, scheduled("corp.example", true), sandbox],
];
for (const [story, config, mail, way] of cases) {
  test(story, () => {
    if (typeof way === "object") return assert.equal(route(config, mail), way);
    try {
      route(config, mail);
      assert.unreachable();
    } catch (error) {
      assert.is(error instanceof Problem && error.code, way);
    }
  });
}

test("the domain is what follows the last @", () => {
  assert.is(domainOf("ann@example.com"), "example.com");
});

test.run();
