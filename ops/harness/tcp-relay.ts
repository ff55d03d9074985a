/** A relay between clients and a server whose line can fail in the ways that networks do. */
import { connect, createServer, type Socket } from "node:net";

/**
 * - `open`: as if it were not there.
 * - `silent`: nothing gets through, in either direction, and nobody is told.
 * - `deaf`: what clients say arrives; what is answered does not.
 * - `slow`: every piece takes a fifth of a second.
 * - `refused`: connections are reset, those that are there and those that come.
 */
export type LineState = "open" | "silent" | "deaf" | "slow" | "refused";

export interface TcpRelay {
  /** The server's address by way of the relay. */
  readonly url: string;
  /** How the line is from now on. Once it is open again everything goes on, also what was held back. */
  become(state: LineState): void;
  /** The line becomes silent. */
  freeze(): void;
  /** The line becomes open. */
  thaw(): void;
  close(): Promise<void>;
}

const slowMs = 200;

/** Relays connections of a loopback port to a server, or to several of one kind in turn: to the next that takes them. */
export async function startTcpRelay(...targets: readonly [string, ...string[]]): Promise<TcpRelay> {
  const url = new URL(targets[0]);
  const clients = new Set<Socket>();
  const upstreams = new Set<Socket>();
  let state: LineState = "open";
  let turn = 0;

  const isHeld = (from: Socket): boolean => state === "silent" || (state === "deaf" && upstreams.has(from));
  const join = (from: Socket, to: Socket) => {
    from.on("error", () => {});
    from.on("data", (chunk) => {
      if (state === "slow") setTimeout(() => void to.write(chunk), slowMs);
      else to.write(chunk);
    });
    from.on("close", () => {
      clients.delete(from);
      upstreams.delete(from);
      if (!isHeld(from)) to.destroy();
    });
    if (isHeld(from)) from.pause();
    else from.resume();
  };
  const reach = (client: Socket, tries: number) => {
    const { hostname, port } = new URL(targets[turn++ % targets.length] ?? targets[0]);
    const upstream = connect({ host: hostname, port: Number(port) });
    const again = () => (tries > 1 ? reach(client, tries - 1) : client.destroy());
    upstream.once("error", again);
    upstream.once("connect", () => {
      upstream.off("error", again);
      upstreams.add(upstream);
      join(client, upstream);
      join(upstream, client);
      if (client.destroyed) upstream.destroy();
    });
  };
  const server = createServer({ pauseOnConnect: true }, (client) => {
    client.on("error", () => {});
    if (state === "refused") return void client.resetAndDestroy();
    clients.add(client);
    reach(client, targets.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url.port = String(typeof address === "object" ? address?.port : "");

  function become(next: LineState): void {
    state = next;
    for (const socket of [...clients, ...upstreams]) {
      if (state === "refused") socket.resetAndDestroy();
      else if (isHeld(socket)) socket.pause();
      else socket.resume();
    }
  }
  return {
    url: url.href,
    become,
    freeze: () => become("silent"),
    thaw: () => become("open"),
    async close() {
      for (const socket of [...clients, ...upstreams]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
