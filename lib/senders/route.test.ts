import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../../runtime/problem.ts";
import { chooseSender, domainOf } from "./route.ts";

const sendgrid = { apiKey: "SG.x", baseUrl: "https://api.sendgrid.com" };
const organisationDomains = ["corp.example", "corp.test"];
const auto = { sender: "auto" as const, organisationDomains };

type Routing = Parameters<typeof chooseSender>[0];
const full: Routing = { ...auto, sendgrid, production: true };

function route(config: Routing, domain: string): string {
  try {
    return chooseSender(config, domain).name;
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

const cases: [story: string, config: Routing, domain: string, sender: string][] = [
  ["any other domain leaves by SendGrid", full, "acme.example", "sendgrid"],
  ["a subdomain of the organisation is another domain", full, "sub.corp.example", "sendgrid"],
  ["a domain that ends like the organisation's is another domain", full, "evilcorp.example", "sendgrid"],
  ["a domain that begins like it is another domain, too", full, "corp.example.evil.example", "sendgrid"],
  ["the organisation's mail never leaves by SendGrid", full, "corp.example", "sender_not_configured"],
  ["nor that of its second domain", full, "corp.test", "sender_not_configured"],
  [
    "without a key nothing leaves in production",
    { ...auto, sendgrid: undefined, production: true },
    "acme.example",
    "sender_not_configured",
  ],
  [
    "without a key, development keeps all in the sandbox",
    { ...auto, sendgrid: undefined, production: false },
    "acme.example",
    "sandbox",
  ],
  ["a forced sandbox wins over a key", { ...full, sender: "sandbox" }, "acme.example", "sandbox"],
  ["and over the organisation", { ...full, sender: "sandbox" }, "corp.example", "sandbox"],
];
for (const [story, config, domain, sender] of cases) test(story, () => assert.is(route(config, domain), sender));

test("the domain is what follows the last @", () => {
  assert.is(domainOf("ann@example.com"), "example.com");
});

test.run();
