/** Sends mail by SMTP as fast as it is taken: Postfix's own generator, smtp-source. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { install, locate } from "../harness/install.ts";
import { ownFolder } from "../harness/process.ts";

const run = promisify(execFile);

/** Installs Debian's package of Postfix, which has it, where this may. Returns whether it is there. */
export async function installSmtpSource(tell: (line: string) => void): Promise<boolean> {
  return (await install(tell, ["smtp-source"])).length === 0;
}

export interface Sending {
  port: number;
  /** The message, by {@link messageFile}. */
  file: string;
  mails: number;
  /** As many at once, each with one mail after the other. */
  sessions: number;
  /** All mails of a session come on one connection; otherwise each on a new one. */
  kept: boolean;
}

/**
 * Returns after how many seconds the last of the mails had its 250.
 *
 * @throws when one is refused, or a connection is lost: smtp-source ends there.
 */
export async function sendBySmtp({ port, file, mails, sessions, kept }: Sending): Promise<number> {
  const envelope = ["-M", "bench.example", "-f", "bench@example.com", "-t", "reader@example.org"];
  const amount = ["-s", `${sessions}`, "-m", `${mails}`, "-F", file, ...(kept ? ["-d"] : [])];
  const started = performance.now();
  await run(locate("smtp-source") ?? "smtp-source", [...envelope, ...amount, `inet:127.0.0.1:${port}`]);
  return (performance.now() - started) / 1000;
}

/**
 * Writes a message whose body has so many bytes, of lines as base64 has them. By itself smtp-source fills mail with one
 * letter, which PostgreSQL stores compressed to nearly nothing and the others as it is; this no one can make much smaller.
 */
export function messageFile(bytes: number): string {
  const lines = [
    "From: Bench <bench@example.com>",
    "To: reader@example.org",
    `Subject: A mail of ${bytes} bytes`,
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    "Message-ID: <mail@bench.example>",
    "",
  ];
  const lineEnd = "\r\n".length;
  const block = randomBytes(bytes).toString("base64");
  for (let left = bytes, at = 0; left > lineEnd;) {
    const line = block.slice(at, at + Math.min(76, left - lineEnd));
    lines.push(line);
    at += line.length;
    left -= line.length + lineEnd;
  }
  const file = join(ownFolder("message"), "mail.eml");
  // It reads lines, and ends each as SMTP does.
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}
