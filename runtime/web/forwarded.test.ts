/** Whom a request is said to come from, and who may say so. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clientAddress } from "./forwarded.ts";

const test = suite("the client behind proxies");

const proxies = ["10.0.0.1", "10.0.0.2", "fd00::1"];
const trusts = (address: string) => proxies.includes(address);
const seen = (peer: string | undefined, header?: string) => clientAddress(peer, header, trusts);

test("without trusted proxies the header is nobody's word", () => {
  assert.is(clientAddress("10.0.0.1", "203.0.113.7", undefined), "10.0.0.1");
  assert.is(seen("192.0.2.9", "203.0.113.7"), "192.0.2.9", "a client that is no proxy");
  assert.is(seen("::ffff:192.0.2.9", "203.0.113.7"), "192.0.2.9");
});

test("a trusted proxy says whom it has the request from", () => {
  assert.is(seen("10.0.0.1", "203.0.113.7"), "203.0.113.7");
  assert.is(seen("::ffff:10.0.0.1", "203.0.113.7"), "203.0.113.7", "at a port for IPv4 and IPv6");
  assert.is(seen("fd00::1", "2001:db8::7"), "2001:db8::7");
});

test("through two trusted proxies, the client is the last that is none of them", () => {
  assert.is(seen("10.0.0.1", "203.0.113.7, 10.0.0.2"), "203.0.113.7");
  assert.is(seen("10.0.0.1", "10.0.0.2"), "10.0.0.2", "a proxy that asks for itself");
});

test("what a client puts in front changes nothing", () => {
  for (const invented of ["127.0.0.1", "10.0.0.2", "198.51.100.1,, ", "unknown", "<script>", " ", ","]) {
    assert.is(seen("10.0.0.1", `${invented}, 203.0.113.7`), "203.0.113.7", invented);
  }
});

test("a list that no proxy would write ends at the last who is known", () => {
  for (const broken of [
    "",
    " ",
    ",",
    "unknown",
    "203.0.113.7,",
    "203.0.113.7, _hidden",
    "203.0.113.300",
    "a".repeat(9999),
  ]) {
    assert.is(seen("10.0.0.1", broken), "10.0.0.1", broken);
  }
  assert.is(seen("10.0.0.1", "not an address, 10.0.0.2"), "10.0.0.2");
});

test("an address with a port or in brackets is that address", () => {
  assert.is(seen("10.0.0.1", "203.0.113.7:4711"), "203.0.113.7");
  assert.is(seen("10.0.0.1", "[2001:db8::7]:4711"), "2001:db8::7");
  assert.is(seen("10.0.0.1", "fe80::1%eth0"), "fe80::1");
});

test("a list without an end takes no time", () => {
  const long = "10.0.0.2,".repeat(100_000) + "10.0.0.2";
  const started = performance.now();
  for (let n = 0; n < 1000; n++) assert.is(seen("10.0.0.1", long), "10.0.0.2");
  assert.ok(performance.now() - started < 500, `${performance.now() - started} ms`);
});

test("of a socket that has gone there is no address", () => assert.is(seen(undefined, "203.0.113.7"), undefined));

test.run();
