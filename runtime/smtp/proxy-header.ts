/**
 * The PROXY protocol, versions 1 and 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt): a proxy's first bytes say whom
 * it brings. smtp-server itself reads version 1 only.
 */
import { isIPv4, isIPv6, type Socket } from "node:net";

/** The client that a proxy brings; undefined for a connection of the proxy's own, such as a health check. */
export type Brought = { remoteAddress: string; remotePort: number } | undefined;

/** What came is no PROXY header. */
export class NoProxyHeader extends Error {}

/** The first bytes of version 2: nothing that speaks of lines takes them for a line. */
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const longestV1 = 107;
/** Addresses take 216 bytes at most; then come whatever else a proxy has to tell. */
const longestV2 = 16 + 2048;

/** Reads a header at the beginning of `bytes`; undefined while there is not all of it. Throws `NoProxyHeader`. */
export function parseProxyHeader(bytes: Buffer): { length: number; brought: Brought } | undefined {
  const known = Math.min(bytes.length, signature.length);
  if (bytes.compare(signature, 0, known, 0, known) === 0) return bytes.length < 16 ? undefined : parseV2(bytes);
  return parseV1(bytes);
}

function parseV1(bytes: Buffer): { length: number; brought: Brought } | undefined {
  const text = bytes.toString("latin1", 0, longestV1);
  const start = "PROXY ";
  if (!text.startsWith(start.slice(0, text.length))) throw new NoProxyHeader("it does not begin with a PROXY header");
  const end = text.indexOf("\r\n");
  if (end < 0 && bytes.length < longestV1) return undefined;
  const line = text.slice(0, Math.max(end, 0));
  const length = end + 2;
  // Whatever follows UNKNOWN does not count.
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { length, brought: undefined };
  const [, family, from = "", to = "", port] = /^PROXY (TCP[46]) (\S+) (\S+) (\d{1,5}) \d{1,5}$/.exec(line) ?? [];
  const isAddress = family === "TCP4" ? isIPv4 : isIPv6;
  if (family === undefined || !isAddress(from) || !isAddress(to)) throw new NoProxyHeader("its PROXY header is broken");
  return { length, brought: { remoteAddress: from, remotePort: Number(port) } };
}

function parseV2(bytes: Buffer): { length: number; brought: Brought } | undefined {
  const version = bytes.readUInt8(12) >> 4;
  const command = bytes.readUInt8(12) & 15;
  const family = bytes.readUInt8(13);
  const length = 16 + bytes.readUInt16BE(14);
  if (version !== 2 || command > 1 || length > longestV2) throw new NoProxyHeader("its PROXY header is broken");
  if (bytes.length < length) return undefined;
  if (command === 0) return { length, brought: undefined };
  // Of a client whose address is not told, no rule could say whether it may: the proxy's own would stand for it.
  const size = { 0x11: 4, 0x21: 16 }[family];
  if (size === undefined || length < 16 + 2 * size + 4) throw new NoProxyHeader("its PROXY header names no TCP client");
  const from = bytes.subarray(16, 16 + size);
  return { length, brought: { remoteAddress: written(from), remotePort: bytes.readUInt16BE(16 + 2 * size) } };
}

function written(address: Buffer): string {
  if (address.length === 4) return address.join(".");
  return Array.from({ length: 8 }, (_, group) => address.readUInt16BE(2 * group).toString(16)).join(":");
}

/**
 * Takes a header from a new connection, and leaves it all that follows. `done` is called once: also with an error when
 * the connection ends before that, which is then as it was left.
 */
export function takeProxyHeader(socket: Socket, done: (error: Error | undefined, brought?: Brought) => void): void {
  let received = Buffer.alloc(0);
  const finish = (error: Error | undefined, brought?: Brought) => {
    socket.off("readable", read).off("end", gone).off("close", gone).off("error", finish);
    done(error, brought);
  };
  const gone = () => finish(new Error("the connection ended before its PROXY header"));
  const read = () => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      received = Buffer.concat([received, chunk]);
    }
    try {
      const header = parseProxyHeader(received);
      if (!header) return;
      if (header.length < received.length) socket.unshift(received.subarray(header.length));
      finish(undefined, header.brought);
    } catch (error) {
      finish(error instanceof Error ? error : new Error(String(error)));
    }
  };
  socket.on("readable", read).on("end", gone).on("close", gone).on("error", finish);
}
