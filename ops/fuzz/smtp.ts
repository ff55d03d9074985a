/** SMTP sessions: what clients say, with the words and the mail spoilt. */
import { connect } from "node:net";
import type { Random } from "../harness/random.ts";
import { corpus } from "../e2e/smtp-corpus/index.ts";
import { flipped } from "./requests.ts";

export interface Session {
  bytes: Buffer;
  what: string;
}

const line = (text: string) => Buffer.from(`${text}\r\n`, "latin1");

const words = [
  "EHLO fuzz.example",
  "HELO fuzz.example",
  "EHLO",
  "MAIL FROM:<shop@example.com>",
  "MAIL FROM:<shop@example.com> SIZE=99999999999",
  "MAIL FROM:<shop@example.com> BODY=8BITMIME SMTPUTF8",
  "MAIL FROM:<>",
  "MAIL FROM:<@a,@b:c@d>",
  'MAIL FROM:<"a b"@example.com>',
  "RCPT TO:<ann@example.org>",
  "RCPT TO:<許@例え.jp>",
  "RCPT TO:<ann@example.org> NOTIFY=NEVER",
  "DATA",
  ".",
  "RSET",
  "NOOP",
  "HELP",
  "VRFY ann",
  "EXPN staff",
  "STARTTLS",
  "AUTH PLAIN AGEAYg==",
  "AUTH LOGIN",
  "YQ==",
  "*",
  "AUTH XOAUTH2 x",
  "BDAT 10 LAST",
  "XCLIENT ADDR=1.2.3.4",
  "PROXY TCP4 1.2.3.4 5.6.7.8 1 2",
  "GET / HTTP/1.1",
  "QUIT",
] as const;

/** Either a decent session with a spoilt mail, or words in any order. */
export function makeSession(random: Random): Session {
  const [first, ...others] = corpus;
  if (!first) throw new Error("the corpus is empty");
  const { raw, name } = random.pick([first, ...others]);
  if (random.percent(70)) {
    const mail = random.percent(80) ? flipped(raw.subarray(0, 100_000), random) : raw.subarray(0, 100_000);
    const stuffed = Buffer.from(mail.toString("latin1").replaceAll(/^\./gm, ".."), "latin1");
    const dots = random.pick(["\r\n.\r\n", "\r\n.\r\n", "\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n"] as const);
    const parts = [
      line(words[0]),
      line(words[3]),
      line(words[9]),
      line("DATA"),
      stuffed,
      Buffer.from(dots),
      line("QUIT"),
    ];
    return { bytes: Buffer.concat(parts), what: `a mail like "${name}"` };
  }
  const said = Array.from({ length: random.between(1, 30) }, () => line(random.pick(words)));
  const all = Buffer.concat(said);
  return { bytes: random.percent(40) ? flipped(all, random) : all, what: "words in any order" };
}

/** How long a session may last once its client has said that no more comes, in milliseconds. */
export const patienceMs = 10_000;

/** Says everything at once, and that no more comes. Resolves with what was answered, and whether the server closed. */
export function converse(port: number, { bytes }: Session): Promise<{ text: string; overdue: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{ text: string; overdue: boolean }>();
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  let text = "";
  const end = (overdue: boolean) => {
    clearTimeout(timer);
    socket.destroy();
    resolve({ text, overdue });
  };
  const timer = setTimeout(() => end(true), patienceMs);
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => void (text += chunk));
  for (const event of ["error", "end", "close"]) socket.on(event, () => end(false));
  socket.write(bytes);
  socket.end();
  return promise;
}

/** What of an answer is no line of SMTP (RFC 5321, 4.2), or says that something broke. */
export function faultOf(text: string): string | undefined {
  const lines = text.split("\r\n").filter((each) => each !== "");
  return lines.find((each) => !/^[2345]\d\d(?:[ -]|$)/.test(each) || /undefined|\[object|\bat .*:\d+:\d+/.test(each));
}
