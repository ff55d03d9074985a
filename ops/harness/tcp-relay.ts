/** A relay between a client and a server whose line can go silent without a word, as when a network loses its way. */
import { connect, createServer, type Socket } from "node:net";

export interface TcpRelay {
  /** The server's address by way of the relay. */
  readonly url: string;
  /** From now on nothing gets through, in either direction, and nobody is told. */
  freeze(): void;
  /** Everything goes on, also what was held back. */
  thaw(): void;
  close(): Promise<void>;
}

/** Relays connections of a loopback port to the server that the URL names. */
export async function startTcpRelay(target: string): Promise<TcpRelay> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let frozen = false;
  const join = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("error", () => {});
    from.on("data", (chunk) => void to.write(chunk));
    from.on("close", () => {
      sockets.delete(from);
      if (!frozen) to.destroy();
    });
    if (frozen) from.pause();
  };
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) });
    join(client, upstream);
    join(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = new URL(target);
  url.port = String(typeof address === "object" ? address?.port : "");
  return {
    url: url.href,
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
