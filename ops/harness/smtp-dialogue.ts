/** A client that speaks SMTP word by word: for what no well-behaved client would say. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Reply {
  code: number;
  /** Lines without their code. */
  lines: string[];
  /** All of it, as it came. */
  text: string;
}

export interface Dialogue {
  readonly socket: Socket;
  /** Sends a line, and resolves with the reply to it. */
  say(line: string | Buffer): Promise<Reply>;
  /** Sends lines one after the other without waiting, and resolves with as many replies. */
  pipeline(...lines: (string | Buffer)[]): Promise<Reply[]>;
  /** Sends bytes, and waits for nothing. */
  send(bytes: string | Buffer): void;
  /** The next reply. Rejects when the connection ends before that. */
  hear(): Promise<Reply>;
  /** EHLO, MAIL, RCPT; resolves with the reply to DATA. */
  begin(from?: string, ...to: string[]): Promise<Reply>;
  /** Sends a message, its dots made transparent, and the final dot. */
  message(raw: string | Buffer): Promise<Reply>;
  /** Resolves once the connection has ended. */
  ended(): Promise<void>;
  /** Goes on over TLS. Rejects when that fails. */
  secure(): Promise<void>;
  close(): void;
}

export interface DialogueOptions {
  tls?: boolean;
  /** Address of this side. */
  localAddress?: string;
  /** Milliseconds to wait for a reply. */
  within?: number;
}

/** Connects; the greeting is the first reply to `hear`. */
export async function dial(
  port: number,
  { tls = false, localAddress, within = 10_000 }: DialogueOptions = {},
): Promise<Dialogue> {
  const options = { host: "127.0.0.1", port, noDelay: true, ...(localAddress !== undefined && { localAddress }) };
  let socket: Socket = tls ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
  const replies: Reply[] = [];
  const changed: (() => void)[] = [];
  let received = "";
  let isOver = false;
  let failure: Error | undefined;

  const wake = () => changed.splice(0).forEach((proceed) => proceed());
  const over = () => {
    isOver = true;
    wake();
  };

  /** Resolves when the next reply has come, or the connection has ended. */
  async function change(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`no reply within ${within} ms`)), within);
    changed.push(resolve);
    await promise.finally(() => clearTimeout(timer));
  }

  function listen(to: Socket): void {
    to.on("data", (chunk) => {
      received += chunk.toString("latin1");
      const last = /^\d{3}(?: .*)?\r\n/m;
      for (let end = received.search(last); end >= 0; end = received.search(last)) {
        const text = received.slice(0, received.indexOf("\r\n", end) + 2);
        received = received.slice(text.length);
        const lines = text.trimEnd().split("\r\n");
        replies.push({ code: Number(text.slice(0, 3)), lines: lines.map((line) => line.slice(4)), text });
      }
      wake();
    });
    to.once("close", over).once("end", over);
    to.on("error", (error) => (failure = error));
  }
  listen(socket);

  const dialogue: Dialogue = {
    get socket() {
      return socket;
    },
    async say(line) {
      dialogue.send(Buffer.concat([Buffer.from(line), Buffer.from("\r\n")]));
      return await dialogue.hear();
    },
    async pipeline(...lines) {
      dialogue.send(Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from("\r\n")])));
      const heard: Reply[] = [];
      while (heard.length < lines.length) heard.push(await dialogue.hear());
      return heard;
    },
    send: (bytes) => void socket.write(bytes),
    async hear() {
      while (replies.length === 0 && !isOver) await change();
      const next = replies.shift();
      if (!next) throw new Error("the connection ended without a reply", { cause: failure });
      return next;
    },
    async begin(from = "ann@example.com", ...to) {
      await dialogue.say("EHLO client.example");
      await dialogue.say(`MAIL FROM:<${from}>`);
      for (const one of to.length > 0 ? to : ["bob@example.org"]) await dialogue.say(`RCPT TO:<${one}>`);
      return await dialogue.say("DATA");
    },
    async message(raw) {
      const stuffed = Buffer.from(raw)
        .toString("latin1")
        .replaceAll(/(^|\r\n)\./g, "$1..");
      dialogue.send(
        Buffer.from(`${stuffed}${stuffed.endsWith("\r\n") || stuffed === "" ? "" : "\r\n"}.\r\n`, "latin1"),
      );
      return await dialogue.hear();
    },
    async ended() {
      while (!isOver) await change();
    },
    async secure() {
      const plain = socket;
      plain.removeAllListeners("data");
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket = connectTls({ socket: plain, rejectUnauthorized: false }, resolve);
      socket.once("error", reject);
      listen(socket);
      await promise;
    },
    close: () => void socket.destroy(),
  };
  return dialogue;
}

/** For tests that meet a server again and again: `meet` returns when it has greeted, and `part` ends all that are open. */
export function meetings(port: () => number): { meet(): Promise<Dialogue>; part(): void } {
  const open: Dialogue[] = [];
  return {
    async meet() {
      const client = await dial(port());
      open.push(client);
      const { code, text } = await client.hear();
      if (code !== 220) throw new Error(`The server greets with ${code} ${text}`);
      return client;
    },
    part: () => open.splice(0).forEach((client) => client.close()),
  };
}
