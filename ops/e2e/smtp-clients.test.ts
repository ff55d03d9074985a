/** Mail by SMTP from the programs that people and old systems send it with, each in every way that it can. */
import { execFile } from "node:child_process";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createTransport } from "nodemailer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { locate, Missing, type MailClient } from "../harness/install.ts";
import { ownFolder } from "../harness/process.ts";
import { eventually } from "../harness/test.ts";
import { leaves, parseMime, type Part } from "./stand-ins/mime.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const run = promisify(execFile);
const story = suite("SMTP clients");
const folder = ownFolder("clients");
const file = join(folder, "報告.txt");
const content = "第一行\nsecond line\n.\n..\n";

let system: System;
let user = "";

story.before(async () => {
  await writeFile(file, content);
  system = await startSystem({ smtp: true });
  const { body } = await system.call("/api/v1/auth/token", {
    method: "POST",
    body: { client_name: "Printers", permissions: ["mail:send"] },
  });
  user = String(body["client_id"]);
  await writeFile(join(folder, "token"), String(body["token"]), { mode: 0o600 });
  await writeFile(join(folder, "certificate.pem"), await certificate());
});
story.after(stopAll);

/** The system's own, which nobody vouches for: without its key. */
async function certificate(): Promise<string> {
  const both = await readFile(join(system.dataDir, "keys", "smtp-tls.pem"), "utf8");
  return both.slice(both.indexOf("-----BEGIN CERTIFICATE"));
}

const token = () => readFile(join(folder, "token"), "utf8");

type Way = "plain" | "starttls" | "tls";

interface Letter {
  way: Way;
  /** Signs in with a token. */
  signsIn: boolean;
  subject: string;
}

/** Sends a mail with a text and a file from ann@shop.example to bob@example.org. */
const senders: Record<string, (letter: Letter) => Promise<unknown>> = {
  async swaks({ way, signsIn, subject }) {
    const tls = { plain: [], starttls: ["--tls"], tls: ["--tls-on-connect"] }[way];
    const auth = signsIn ? ["--auth", "LOGIN", "--auth-user", user, "--auth-password", await token()] : [];
    const message = [
      "--header",
      `Subject: ${subject}`,
      "--body",
      "Hello\n.\nBye",
      "--attach-type",
      "text/plain",
      "--attach",
      `@${file}`,
    ];
    await run(program("swaks"), [
      "--server",
      `127.0.0.1:${portOf(way)}`,
      "--from",
      "ann@shop.example",
      "--to",
      "bob@example.org",
      ...tls,
      ...auth,
      ...message,
    ]);
  },

  async "Python smtplib"({ way, signsIn, subject }) {
    const script = `
import smtplib, sys, ssl
from email.message import EmailMessage
from email.policy import SMTP
way, port, user, token, subject, path = sys.argv[1:]
message = EmailMessage(policy=SMTP)
message["From"], message["To"], message["Subject"] = "ann@shop.example", "bob@example.org", subject
message.set_content("Hello\\n.\\nBye\\n")
with open(path, "rb") as f: message.add_attachment(f.read(), maintype="text", subtype="plain", filename="報告.txt")
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
client = smtplib.SMTP_SSL("127.0.0.1", int(port), context=context) if way == "tls" else smtplib.SMTP("127.0.0.1", int(port))
with client:
    if way == "starttls": client.starttls(context=context)
    if user: client.login(user, open(token).read())
    client.send_message(message)
`;
    await run(
      program("Python"),
      ["-c", script, way, String(portOf(way)), signsIn ? user : "", join(folder, "token"), subject, file],
      {
        env: { PYTHONUTF8: "1" },
      },
    );
  },

  async msmtp({ way, signsIn, subject }) {
    const settings = join(folder, "msmtprc");
    const tls =
      way === "plain"
        ? "tls off"
        : `tls on\ntls_starttls ${way === "starttls" ? "on" : "off"}\ntls_trust_file ${join(folder, "certificate.pem")}\ntls_certcheck on`;
    const auth = signsIn ? `auth on\nuser ${user}\npasswordeval cat ${join(folder, "token")}` : "auth off";
    await writeFile(
      settings,
      `account default\nhost localhost\nport ${portOf(way)}\nfrom ann@shop.example\n${tls}\n${auth}\n`,
      { mode: 0o600 },
    );
    await chmod(settings, 0o600);
    await piped(program("msmtp"), ["-C", settings, "bob@example.org"], message(subject));
  },

  async curl({ way, signsIn, subject }) {
    const mail = join(folder, "curl.eml");
    await writeFile(mail, message(subject).replaceAll("\n", "\r\n"));
    const url = `${way === "tls" ? "smtps" : "smtp"}://localhost:${portOf(way)}/client.example`;
    const tls = way === "plain" ? [] : ["--ssl-reqd", "--cacert", join(folder, "certificate.pem")];
    const auth = signsIn ? ["--user", `${user}:${await token()}`] : [];
    await run(program("curl"), [
      "-sS",
      url,
      ...tls,
      ...auth,
      "--mail-from",
      "ann@shop.example",
      "--mail-rcpt",
      "bob@example.org",
      "-T",
      mail,
    ]);
  },

  async nodemailer({ way, signsIn, subject }) {
    const client = createTransport({
      host: "127.0.0.1",
      port: portOf(way),
      secure: way === "tls",
      requireTLS: way === "starttls",
      ignoreTLS: way === "plain",
      tls: { rejectUnauthorized: false },
      ...(signsIn && { auth: { user, pass: await token() } }),
    });
    const attachments = [{ filename: "報告.txt", content, contentType: "text/plain" }];
    await client.sendMail({
      from: "ann@shop.example",
      to: "bob@example.org",
      subject,
      text: "Hello\n.\nBye",
      attachments,
    });
  },
};

function portOf(way: Way): number {
  return way === "tls" ? system.smtp.tlsPort : system.smtp.port;
}

function program(name: MailClient): string {
  const found = locate(name);
  if (found === undefined) throw new Missing(name);
  return found;
}

/** As a script writes it, with LF. */
function message(subject: string): string {
  return [
    "From: ann@shop.example",
    "To: bob@example.org",
    `Subject: ${subject}`,
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "--b",
    "",
    "Hello",
    ".",
    "Bye",
    "--b",
    `Content-Type: text/plain; name="=?utf-8?B?${Buffer.from("報告.txt").toString("base64")}?="`,
    "Content-Disposition: attachment",
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.from(content).toString("base64"),
    "--b--",
    "",
  ].join("\n");
}

async function piped(command: string, args: readonly string[], input: string): Promise<void> {
  const running = run(command, args);
  running.child.stdin?.end(input);
  await running;
}

/** The mail with this subject, once it is in the sandbox inbox. */
async function arrived(subject: string): Promise<Part> {
  const found = await eventually(
    async () => {
      const { body } = await system.call("/api/v1/mail/history?limit=100");
      const mails = body["data"] as { id: string; subject: string; status: string }[];
      return mails.find((mail) => mail.subject === subject && mail.status === "sent");
    },
    { what: `the mail "${subject}" is sent`, within: 10_000 },
  );
  return await inInbox(found?.id ?? "");
}

async function inInbox(id: string): Promise<Part> {
  const [name = ""] = (await system.inbox()).filter((one) => one.startsWith(id));
  const raw = await readFile(join(system.dataDir, "inbox", name), "latin1");
  return parseMime(Buffer.from(raw.replaceAll("\n", "\r\n"), "latin1"));
}

for (const [client, send] of Object.entries(senders)) {
  for (const way of ["plain", "starttls", "tls"] as const) {
    for (const signsIn of way === "plain" ? [false] : [false, true]) {
      story(`${client}, ${way}${signsIn ? ", signing in" : ""}`, async () => {
        const subject = `${client} ${way} ${signsIn}`;
        await send({ way, signsIn, subject });
        const [text, attachment] = leaves(await arrived(subject));
        assert.is(text?.content.toString().trimEnd().replaceAll("\r\n", "\n"), "Hello\n.\nBye");
        assert.ok(attachment?.content.equals(Buffer.from(content)), attachment?.content.toString());
        assert.is(attachment?.filename, client === "swaks" ? attachment?.filename : "報告.txt");
        const { text: history } = await system.call(
          `/api/v1/mail/history?limit=100&client_id=${signsIn ? user : "smtp-relay"}`,
        );
        assert.ok(history.includes(subject), "it belongs to another client");
      });
    }
  }
}

story("smtp-source: 500 mails by 20 sessions, kept open and not", async () => {
  const source = program("smtp-source");
  const before = await system.metric("function_calls_total");
  const common = ["-s", "20", "-m", "500", "-l", "4000", "-f", "ann@shop.example", "-t", "bob@example.org"];
  await run(source, [...common, "-d", `127.0.0.1:${system.smtp.port}`]);
  await run(source, [...common, `127.0.0.1:${system.smtp.port}`]);
  const { text } = await system.call("/metrics");
  assert.match(text, /function_calls_total\{function="mail\/receive",trigger="smtp",outcome="250"\} 10\d\d/);
  assert.ok((await system.metric("function_calls_total")) - before >= 1000);
  const total = async () =>
    Number((await system.call("/api/v1/mail/history?status=sent&client_id=smtp-relay")).body["total"]);
  await eventually(async () => (await total()) >= 1000, { what: "a thousand mails are sent", within: 60_000 });
});

story.run();
