/** SMTP sessions: what clients say, with the words and the mail spoilt. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Random } from "../harness/random.ts";
import { flipped } from "./frames.ts";
import { makeMessage } from "./mime.ts";
import type { Patience } from "./patience.ts";

export interface Session {
  bytes: Buffer;
  what: string;
  /** Whether TLS comes first. */
  tls: boolean;
  /** Where it is cut into pieces that are sent one by one. */
  cuts: readonly number[];
}

export interface SignIn {
  user: string;
  password: string;
}

const line = (text: string) => Buffer.from(`${text}\r\n`, "latin1");
const base64 = (text: string) => Buffer.from(text).toString("base64");

const words = [
  "EHLO fuzz.example",
  "HELO fuzz.example",
  "EHLO",
  "EHLO [127.0.0.1]",
  "MAIL FROM:<shop@example.com>",
  "MAIL FROM:<shop@example.com> SIZE=99999999999",
  "MAIL FROM:<shop@example.com> SIZE=-1",
  "MAIL FROM:<shop@example.com> BODY=8BITMIME SMTPUTF8",
  "MAIL FROM:<shop@example.com> AUTH=<> RET=HDRS ENVID=x",
  "MAIL FROM:<>",
  "MAIL FROM:",
  "MAIL FROM: shop@example.com",
  "MAIL FROM:<@a,@b:c@d>",
  'MAIL FROM:<"a b"@example.com>',
  "RCPT TO:<ann@example.org>",
  "RCPT TO:<許@例え.jp>",
  "RCPT TO:<ann@example.org> NOTIFY=NEVER",
  "RCPT TO:<ann@[127.0.0.1]>",
  "RCPT TO:<ann>",
  "DATA",
  "DATA x",
  ".",
  "RSET",
  "NOOP",
  "NOOP x",
  "HELP",
  "VRFY ann",
  "EXPN staff",
  "ETRN x",
  "TURN",
  "STARTTLS",
  "AUTH",
  "AUTH PLAIN",
  "AUTH PLAIN AGEAYg==",
  "AUTH LOGIN",
  "AUTH LOGIN YQ==",
  "AUTH CRAM-MD5",
  "YQ==",
  "*",
  "AUTH XOAUTH2 x",
  "BDAT 10 LAST",
  "XCLIENT ADDR=1.2.3.4",
  "XFORWARD ADDR=1.2.3.4",
  "PROXY TCP4 1.2.3.4 5.6.7.8 1 2",
  "GET / HTTP/1.1",
  "",
  "\0",
  "x".repeat(600),
  "x".repeat(3000),
  "QUIT",
] as const;

const dot = "\r\n.\r\n";
const oddDots = ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n..\r\n", ""] as const;

/** Either a decent session with a spoilt mail, or several, or words in any order. */
export function makeSession(signIn: SignIn, random: Random): Session {
  const tls = random.percent(10);
  const [bytes, what] = random.percent(75) ? mails(signIn, random) : anyWords(random);
  const pieces = random.percent(20) ? random.between(1, 6) : 0;
  const cuts = Array.from({ length: pieces }, () => random.between(0, bytes.length)).toSorted((a, b) => a - b);
  return { bytes, what, tls, cuts };
}

function mails(signIn: SignIn, random: Random): [Buffer, string] {
  const { raw, what } = makeMessage(random);
  const parts = [
    line(random.pick(["EHLO fuzz.example", "EHLO fuzz.example", "HELO fuzz"])),
    ...signingIn(signIn, random),
  ];
  for (let times = random.percent(90) ? 1 : random.between(2, 4); times > 0; times--) {
    const stuffed = random.percent(90) ? raw.toString("latin1").replaceAll(/^\./gm, "..") : raw.toString("latin1");
    const recipients = random.percent(90) ? random.between(1, 3) : random.between(50, 150);
    const from = random.percent(85)
      ? "<shop@example.com>"
      : random.pick(["<>", "<a@b@c>", "<shop@例え.jp> SMTPUTF8", "<x>"]);
    parts.push(line(`MAIL FROM:${from}`));
    for (let count = 0; count < recipients; count++) parts.push(line(`RCPT TO:<guest${count}@example.org>`));
    parts.push(
      line("DATA"),
      Buffer.from(stuffed, "latin1"),
      Buffer.from(random.percent(85) ? dot : random.pick(oddDots)),
    );
    if (random.percent(10)) parts.push(line(random.pick(words)));
  }
  return [Buffer.concat([...parts, line("QUIT")]), what];
}

function signingIn({ user, password }: SignIn, random: Random): Buffer[] {
  if (random.percent(85)) return [];
  const plain = base64(`\0${user}\0${random.percent(70) ? password : `${password}x`}`);
  return random.pick([
    [line(`AUTH PLAIN ${plain}`)],
    [line("AUTH PLAIN"), line(plain)],
    [line("AUTH LOGIN"), line(base64(user)), line(base64(password))],
    [line(`AUTH PLAIN ${plain.slice(0, -7)}`)],
    [line(`AUTH PLAIN ${base64("a\0b")}`)],
    [line(`AUTH LOGIN ${base64("é".repeat(2000))}`), line("=")],
  ]);
}

function anyWords(random: Random): [Buffer, string] {
  const said = Buffer.concat(Array.from({ length: random.between(1, 30) }, () => line(random.pick(words))));
  return [random.percent(40) ? flipped(said, random) : said, "words in any order"];
}

const silenceMs = 300;

/** Says everything at once or piece by piece, and once nothing more is answered, that no more comes. Resolves with what was answered, and whether the server closed. */
export function converse(
  ports: { port: number; tlsPort: number },
  session: Session,
  patience: Patience,
): Promise<{ text: string; overdue: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{ text: string; overdue: boolean }>();
  const port = session.tls ? ports.tlsPort : ports.port;
  const plain = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  const socket = session.tls ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
  let text = "";
  const end = (overdue: boolean) => {
    clearTimeout(silence);
    stopWaiting();
    socket.destroy();
    resolve({ text, overdue });
  };
  const stopWaiting = patience.begin(1, 0, () => end(true));
  socket.setEncoding("latin1");
  // It was told all of it, and has nothing more to say to that: what it still waits for does not come.
  let silence: NodeJS.Timeout | undefined;
  socket.on("data", (chunk: string) => {
    text += chunk;
    clearTimeout(silence);
    silence = setTimeout(() => socket.end(), silenceMs);
  });
  for (const each of new Set([plain, socket])) each.on("error", () => end(false));
  for (const event of ["end", "close"]) socket.on(event, () => end(false));
  void say(socket, session);
  return promise;
}

/** Sends it piece by piece, and leaves its own side open: whoever closes that is not waiting for an answer any more. */
async function say(socket: Socket, { bytes, cuts }: Session): Promise<void> {
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    const piece = bytes.subarray(from, cut);
    from = cut;
    if (piece.length > 0) await new Promise((resolve) => socket.write(piece, resolve));
  }
}

/** What of an answer is no line of SMTP (RFC 5321, 4.2), or says that something broke. */
export function faultOf(text: string): string | undefined {
  const lines = text.split("\r\n").filter((each) => each !== "");
  return lines.find((each) => !/^[2345]\d\d(?:[ -]|$)/.test(each) || /undefined|\[object|\bat .*:\d+:\d+/.test(each));
}
