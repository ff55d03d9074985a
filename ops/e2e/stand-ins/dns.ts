/** Stands in for the DNS of a container host: IPv4 addresses of names, which come and go (RFC 1035). */
import { createSocket } from "node:dgram";
import { once } from "node:events";

export interface Dns {
  readonly port: number;
  /** Names and their addresses; a name that is not there does not exist. */
  readonly names: Map<string, readonly string[]>;
  /** Whether it answers. */
  isAway: boolean;
  close(): Promise<void>;
}

const typeA = 1;

export async function startDns(): Promise<Dns> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const dns: Dns = {
    port: socket.address().port,
    names: new Map(),
    isAway: false,
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
  socket.on("message", (query, { port, address }) => {
    if (!dns.isAway) socket.send(answer(query, dns.names), port, address);
  });
  return dns;
}

function answer(query: Buffer, names: Dns["names"]): Buffer {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const question = query.subarray(12, at + 5);
  const known = names.get(labels.join(".").toLowerCase());
  const addresses = query.readUInt16BE(at + 1) === typeA ? (known ?? []) : [];
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(known ? 0x8180 : 0x8183, 2); // an answer; or there is no such name
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(addresses.length, 6);
  // The name that was asked for, an address of the internet, for 1 s.
  const records = addresses.map((one) =>
    Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4, ...one.split(".").map(Number)]),
  );
  return Buffer.concat([head, question, ...records]);
}
