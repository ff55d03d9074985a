import { test } from "uvu";
import * as assert from "uvu/assert";
import { isNetwork, openNetworks } from "./networks.ts";

const { has } = openNetworks(["10.0.0.0/8", "192.0.2.7", "::1", "fc00::/7"]);
const cases: [address: string, isIn: boolean][] = [
  ["10.255.0.1", true],
  ["11.0.0.1", false],
  ["192.0.2.7", true],
  ["192.0.2.8", false],
  ["::1", true],
  ["::2", false],
  ["fd12::1", true],
  ["fe80::1", false],
  ["", false],
  ["localhost", false],
];
for (const [address, isIn] of cases) {
  test(`${address || "nothing"} is ${isIn ? "in" : "outside"}`, () => assert.is(has(address), isIn));
}

test("a network is an address, with a prefix that fits or without", () => {
  for (const text of ["10.0.0.0/8", "::/0", "1.2.3.4", "fe80::/10"]) assert.ok(isNetwork(text), text);
  for (const text of ["", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0", "example.com", "/8"])
    assert.not(isNetwork(text), text);
});

test.run();
