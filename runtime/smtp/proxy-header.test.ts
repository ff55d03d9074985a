/** What a proxy says of whom it brings, byte by byte. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NoProxyHeader, parseProxyHeader } from "./proxy-header.ts";

const test = suite("PROXY headers");
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** A header of version 2: command and family in a byte each, then addresses and whatever else is told. */
function v2(command: number, family: number, body: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([signature, Buffer.from([command, family]), length, body]);
}

const ipv4 = Buffer.from([203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0x09, 0xdd]);
const ipv6 = Buffer.concat([
  Buffer.from("20010db8000000000000000000000007", "hex"),
  Buffer.from("fd000000000000000000000000000001", "hex"),
  Buffer.from([0x12, 0x67, 0x09, 0xdd]),
]);
const extra = Buffer.from([0x04, 0, 3, 1, 2, 3]);

const good: [what: string, header: Buffer, from: string | undefined][] = [
  ["version 1, IPv4", Buffer.from("PROXY TCP4 203.0.113.7 10.0.0.1 4711 2525\r\n"), "203.0.113.7"],
  ["version 1, IPv6", Buffer.from("PROXY TCP6 2001:db8::7 fd00::1 4711 2525\r\n"), "2001:db8::7"],
  ["version 1, unknown", Buffer.from("PROXY UNKNOWN\r\n"), undefined],
  ["version 1, unknown and more", Buffer.from("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), undefined],
  ["version 2, IPv4", v2(0x21, 0x11, ipv4), "203.0.113.7"],
  ["version 2, IPv6", v2(0x21, 0x21, ipv6), "2001:db8:0:0:0:0:0:7"],
  ["version 2, IPv4 and more", v2(0x21, 0x11, Buffer.concat([ipv4, extra])), "203.0.113.7"],
  ["version 2, a health check", v2(0x20, 0, Buffer.alloc(0)), undefined],
  ["version 2, a health check with addresses", v2(0x20, 0x11, ipv4), undefined],
];

for (const [what, header, from] of good) {
  test(`${what}: read once it is whole, and no byte further`, () => {
    for (let end = 0; end < header.length; end++) assert.is(parseProxyHeader(header.subarray(0, end)), undefined);
    for (const rest of ["", "EHLO x\r\n", "\x16\x03\x01"]) {
      const read = parseProxyHeader(Buffer.concat([header, Buffer.from(rest, "latin1")]));
      assert.is(read?.length, header.length);
      assert.is(read?.brought?.remoteAddress, from);
      if (from !== undefined) assert.is(read?.brought?.remotePort, 4711);
    }
  });
}

const bad: Record<string, Buffer> = {
  "a command": Buffer.from("EHLO client.example\r\n"),
  "a handshake of TLS": Buffer.from("160301", "hex"),
  "lower case": Buffer.from("proxy TCP4 203.0.113.7 10.0.0.1 4711 2525\r\n"),
  "no address": Buffer.from("PROXY TCP4 localhost 10.0.0.1 4711 2525\r\n"),
  "another family": Buffer.from("PROXY TCP4 2001:db8::7 fd00::1 4711 2525\r\n"),
  "a network interface": Buffer.from("PROXY TCP6 fe80::1%eth0;x fd00::1 4711 2525\r\n"),
  "a line end within": Buffer.from("PROXY TCP4 203.0.113.7\n 10.0.0.1 4711 2525\r\n"),
  "nothing but its name": Buffer.from("PROXY\r\n"),
  "too little": Buffer.from("PROXY TCP4 203.0.113.7\r\n"),
  "a line without an end": Buffer.from(`PROXY TCP4 ${"1".repeat(100)}`),
  "an end too late": Buffer.from(`PROXY UNKNOWN ${"1".repeat(100)}\r\n`),
  "another version": v2(0x31, 0x11, ipv4),
  "another command": v2(0x22, 0x11, ipv4),
  "a client without an address": v2(0x21, 0, Buffer.alloc(0)),
  "a client by UDP": v2(0x21, 0x12, ipv4),
  "a client by a socket file": v2(0x21, 0x31, Buffer.alloc(216)),
  "less than its addresses": v2(0x21, 0x21, ipv4),
  "more than any proxy has to tell": v2(0x21, 0x11, Buffer.alloc(60_000)),
};

for (const [what, bytes] of Object.entries(bad)) {
  test(`refused: ${what}`, () => assert.throws(() => parseProxyHeader(bytes), isNoHeader));
}

test("whatever comes is a header, the beginning of one, or refused", () => {
  const beginnings = fc.constantFrom(...good.map(([, header]) => header), Buffer.from("PROXY "), signature);
  const bytes = fc.tuple(beginnings, fc.nat(60), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(bytes, ([beginning, kept, rest]) => {
      const all = Buffer.concat([beginning.subarray(0, kept), rest]);
      try {
        const read = parseProxyHeader(all);
        if (read) assert.ok(read.length > 0 && read.length <= all.length);
        else assert.ok(all.length < 16 + 2048);
      } catch (error) {
        assert.ok(isNoHeader(error), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

function isNoHeader(error: unknown): boolean {
  return error instanceof NoProxyHeader;
}

test.run();
