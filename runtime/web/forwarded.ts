/** Who a request comes from, where proxies stand between: they say so in X-Forwarded-For, and so can anybody else. */
import { isIP } from "node:net";

/** Whether an address is that of a proxy whose word is taken. */
export type TrustsProxy = (address: string) => boolean;

/** More than any chain of proxies: a client may send a list of any length, and each look costs time. */
const mostHops = 20;

/**
 * The client's address. Each proxy adds to the end of the list whom it has the request from, so it is read from there,
 * for as long as it is a trusted proxy that says so. Whatever is left of that may be the client's own invention.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trusts: TrustsProxy | undefined,
): string | undefined {
  if (!trusts || peer === undefined || forwardedFor === undefined) return peer;
  let address = plainAddress(peer);
  let end = forwardedFor.length;
  for (let hop = 0; hop < mostHops && end > 0 && trusts(address); hop++) {
    const start = forwardedFor.lastIndexOf(",", end - 1) + 1;
    const said = plainAddress(forwardedFor.slice(start, end).trim());
    if (isIP(said) === 0) break; // Whoever wrote that is no proxy of ours: its own address is the last that is known.
    address = said;
    end = start - 1;
  }
  return address;
}

/** An IPv4 address as itself, also at a port for both; without brackets, port and network interface. */
function plainAddress(text: string): string {
  const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(text) ?? [];
  const [, withPort] = /^([\d.]+):\d+$/.exec(text) ?? [];
  return (bracketed ?? withPort ?? text).replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}
