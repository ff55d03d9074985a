/** Networks of addresses, as they are written: `10.0.0.0/8`, `::1`, `fd00::/8`. */
import { BlockList, isIP } from "node:net";

export interface Networks {
  /** Whether an address, IPv4 or IPv6, is in one of the networks. */
  has(address: string): boolean;
}

export function isNetwork(text: string): boolean {
  return parse(text) !== undefined;
}

/** Addresses whose answer is kept: a look takes 5 µs, and is taken several times for each mail of the same few relays. */
const mostAsked = 1000;

/** The networks, each checked before. */
export function openNetworks(all: readonly string[]): Networks {
  const known = new BlockList();
  for (const text of all) {
    const network = parse(text);
    if (network) known.addSubnet(network.address, network.prefix, network.family);
  }
  const asked = new Map<string, boolean>();
  return {
    has(address) {
      const before = asked.get(address);
      if (before !== undefined) return before;
      const isIn = isIP(address) !== 0 && known.check(address, familyOf(address));
      if (asked.size >= mostAsked) asked.clear();
      asked.set(address, isIn);
      return isIn;
    },
  };
}

function parse(text: string) {
  const [, address = "", prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  if (isIP(address) === 0) return undefined;
  const family = familyOf(address);
  const longest = family === "ipv4" ? 32 : 128;
  const bits = prefix === undefined ? longest : Number(prefix);
  return bits <= longest ? { address, prefix: bits, family } : undefined;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
