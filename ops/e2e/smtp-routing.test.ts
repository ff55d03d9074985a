/** Where mail that came by SMTP leaves, and that everything in it gets there: pictures, files, threads, blind copies. */
import { randomBytes } from "node:crypto";
import { createHash } from "node:crypto";
import { createTransport, type SendMailOptions } from "nodemailer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshDatabase } from "../harness/test.ts";
import { dial } from "../harness/smtp-dialogue.ts";
import { startGraph, type GraphStandIn } from "./stand-ins/graph.ts";
import { startLogin, type Application, type LoginStandIn } from "./stand-ins/login.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("routing of mail by SMTP");
let login: LoginStandIn;
let graph: GraphStandIn;
let sendgrid: SendGridStandIn;
let application: Application;
let system: System;

story.before(async () => {
  login = await startLogin();
  graph = await startGraph(login);
  sendgrid = await startSendGrid();
  application = login.register();
  system = await startSystem({
    smtp: true,
    env: {
      ...login.env,
      ...graph.env,
      DATABASE_URL: await freshDatabase(),
      ORG_EMAIL_DOMAIN: "corp.example",
      MICROSOFT_TENANT_ID: application.tenantId,
      MICROSOFT_CLIENT_ID: application.clientId,
      MICROSOFT_CLIENT_SECRET: application.clientSecret,
      SENDGRID_API_KEY: sendgrid.key,
      SENDGRID_BASE_URL: sendgrid.url,
      GRAPH_MESSAGES_PER_MINUTE: "0",
    },
  });
});
story.before.each(() => {
  graph.reset();
  sendgrid.reset();
});
story.after(async () => {
  await stopAll();
  await Promise.all([graph, login, sendgrid].map((standIn) => standIn.close()));
});

const picture = randomBytes(5000);
const report = randomBytes(20_000);
const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

function letter(given: SendMailOptions): SendMailOptions {
  return {
    to: "Ann <ann@example.org>",
    cc: "cc@example.org",
    bcc: "blind@example.org",
    replyTo: "Front desk <desk@corp.example>",
    inReplyTo: "<before@example.org>",
    subject: "房價 and a picture",
    text: "見附件",
    html: '<p>見附件 <img src="cid:logo@x"></p>',
    attachments: [
      { filename: "標誌.png", content: picture, contentType: "image/png", cid: "logo@x" },
      { filename: "報告.pdf", content: report, contentType: "application/pdf" },
    ],
    ...given,
  };
}

/** Hands a mail over, and waits until it is sent. */
async function sent(mail: SendMailOptions): Promise<string> {
  const client = createTransport({ host: "127.0.0.1", port: system.smtp.port, tls: { rejectUnauthorized: false } });
  const { response } = await client.sendMail(mail);
  const id = /queued as ([\da-f-]{36})/.exec(response)?.[1] ?? "";
  const state = await system.settled(id);
  assert.is(state.status, "sent", JSON.stringify(state));
  return id;
}

story("the organisation's mail leaves by Graph with the environment's application, as it came", async () => {
  const id = await sent(letter({ from: "Sales <sales@corp.example>" }));
  const [mail, ...more] = graph.copies(id);
  assert.is(more.length, 0);
  assert.is(mail?.clientId, application.clientId);
  assert.is(mail?.mailbox, "sales@corp.example");
  assert.equal(mail?.to, [{ address: "ann@example.org", name: "Ann" }]);
  assert.equal([mail?.cc, mail?.bcc], [[{ address: "cc@example.org" }], [{ address: "blind@example.org" }]]);
  assert.equal(mail?.replyTo, [{ address: "desk@corp.example", name: "Front desk" }]);
  assert.is(mail?.inReplyTo, "<before@example.org>");
  assert.is(mail?.subject, "房價 and a picture");
  assert.is(mail?.html?.trim(), '<p>見附件 <img src="cid:logo@x"></p>');
  const files = mail?.attachments.map(({ name, sha256: hash, contentId }) => [name, hash, contentId]);
  assert.equal(files, [
    ["標誌.png", sha256(picture), "logo@x"],
    ["報告.pdf", sha256(report), undefined],
  ]);
  assert.is(sendgrid.copies(id), 0);
});

for (const [form, bytes] of [
  ["in JSON", 5000],
  ["as a draft with an upload session", 4_000_000],
] as const) {
  story(`a picture of ${bytes} bytes is one of the html by Graph ${form}, too`, async () => {
    const large = randomBytes(bytes);
    const attachments = [{ filename: "a.png", content: large, contentType: "image/png", cid: "a" }];
    const html = '<img src="cid:a">';
    const mail = { from: "sales@corp.example", to: "ann@example.org", subject: form, html, attachments };
    const [copy] = graph.copies(await sent(mail));
    assert.is(copy?.form, "json");
    assert.equal(
      copy?.attachments.map((file) => [file.contentId, file.sha256]),
      [["a", sha256(large)]],
    );
  });
}

story("any other mail leaves by SendGrid, as it came", async () => {
  const id = await sent(letter({ from: "Shop <shop@sub.corp.example>" }));
  assert.is(sendgrid.copies(id), 1);
  assert.is(graph.copies(id).length, 0);
  const body = sendgrid.ledger[0]?.body ?? {};
  assert.equal(body["from"], { email: "shop@sub.corp.example", name: "Shop" });
  assert.equal(body["personalizations"], [
    {
      to: [{ email: "ann@example.org", name: "Ann" }],
      cc: [{ email: "cc@example.org" }],
      bcc: [{ email: "blind@example.org" }],
    },
  ]);
  assert.equal(body["reply_to_list"], [{ email: "desk@corp.example", name: "Front desk" }]);
  assert.equal(body["headers"], { "In-Reply-To": "<before@example.org>" });
  const files = body["attachments"] as Record<string, string>[];
  assert.equal(
    files.map(({ filename, content_id, disposition, type, content = "" }) => {
      return [filename, content_id, disposition, type, sha256(Buffer.from(content, "base64"))];
    }),
    [
      ["標誌.png", "logo@x", "inline", "image/png", sha256(picture)],
      ["報告.pdf", undefined, "attachment", "application/pdf", sha256(report)],
    ],
  );
});

story("From decides, not the envelope; and without one the envelope's sender does", async () => {
  const from = "shop@acme.example";
  const byFrom = await sent({
    ...letter({ from }),
    envelope: { from: "bounces@corp.example", to: ["ann@example.org"] },
  });
  assert.equal([sendgrid.copies(byFrom), graph.copies(byFrom).length], [1, 0]);

  const client = await dial(system.smtp.port);
  await client.hear();
  await client.begin("printer@corp.example", "ann@example.org");
  const { text } = await client.message("Subject: Scan\r\n\r\nPage 1\r\n");
  client.close();
  const id = /queued as ([\da-f-]{36})/.exec(text)?.[1] ?? "";
  await system.settled(id);
  const [copy] = graph.copies(id);
  assert.equal([copy?.mailbox, copy?.bcc, copy?.to], ["printer@corp.example", [{ address: "ann@example.org" }], []]);
});

story("what a scanner sends, a file without a word, leaves by both", async () => {
  const scan = { filename: "scan.pdf", content: report, contentType: "application/pdf" };
  for (const from of ["scanner@corp.example", "scanner@acme.example"]) {
    const id = await sent({ from, to: "ann@example.org", attachments: [scan] });
    const [copy] = graph.copies(id);
    const subject = copy?.subject ?? sendgrid.ledger[0]?.body["subject"];
    assert.is(subject, "(no subject)");
    assert.is(graph.copies(id).length + sendgrid.copies(id), 1);
  }
});

story("a mail that SendGrid would not take is refused at once, and not after it was taken", async () => {
  const empty = { filename: "empty.txt", content: "" };
  const mail = { from: "shop@acme.example", to: "ann@example.org", text: "x", attachments: [empty] };
  const refusal = await sent(mail).catch((error: unknown) => String(error));
  assert.match(refusal, /554 5\.6\.0 attachments\[0\]\.content must not be empty/);
});

story.run();
