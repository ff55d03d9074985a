/** Receiving mail, and what becomes of the ugliest that there is. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { corpus } from "../../ops/e2e/smtp-corpus/index.ts";
import type { Case } from "../../ops/e2e/smtp-corpus/case.ts";
import { aCaller, openContext, type TestContext } from "../../ops/harness/context.ts";
import { LineEnds } from "../../runtime/smtp/line-ends.ts";
import { refusalOf } from "../../runtime/smtp/reply.ts";
import { Problem } from "../../runtime/problem.ts";
import { ask } from "./accept.fixture.ts";
import { receiveMail } from "./receive.ts";
import { smtpReplies } from "./receive/replies.ts";

const test = suite("receiving mail");
let context: TestContext;
test.before(async () => void (context = await openContext()));
test.after(() => context.close());

async function receive({ raw, from = "sender@example.net", to = ["ann@example.org"] }: Omit<Case, "name" | "answer">) {
  const ends = new LineEnds();
  async function* message() {
    yield ends.normalize(raw);
    yield ends.end();
    yield Buffer.from("\r\n");
  }
  const request = { envelope: { from, to }, message: message(), caller: aCaller(), remoteAddress: "127.0.0.1" };
  try {
    const { reply } = await receiveMail(context.newCall(), request);
    return { code: 250, id: (reply as { mail_id: string }).mail_id };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { code: refusalOf(error, "message", smtpReplies).responseCode, id: "" };
  }
}

interface Row {
  from_address: string;
  to_addresses: string[];
  cc_addresses: string[];
  bcc_addresses: string[];
  names: Record<string, string> | null;
  subject: string;
  body: string | null;
  html: string | null;
}
interface File {
  filename: string;
  content_type: string | null;
  content_id: string | null;
  storage_path: string;
}

test("every ugly message is answered, and what is taken is kept byte for byte", async () => {
  const wrong: string[] = [];
  for (const one of corpus) {
    const wrongly = await mistakes(one).catch((error: unknown) => [String(error)]);
    wrong.push(...wrongly.map((what) => `${one.name}: ${what}`));
  }
  assert.equal(wrong, []);
});

async function mistakes(one: Case): Promise<string[]> {
  const started = performance.now();
  const { code, id } = await receive(one);
  const ms = performance.now() - started;
  const wrong: string[] = [];
  const is = (what: string, found: unknown, wanted: unknown) => {
    if (wanted === undefined || JSON.stringify(found) === JSON.stringify(wanted)) return;
    wrong.push(`${what} is ${JSON.stringify(found)?.slice(0, 200)}, not ${JSON.stringify(wanted)?.slice(0, 200)}`);
  };
  if (ms > 3000) wrong.push(`took ${Math.round(ms)} ms`);
  is("the answer", code, one.answer);
  if (code !== 250 || !one.expect) return wrong;
  const [mail] = await ask<Row>(context, "SELECT * FROM mails WHERE id = $1", [id]);
  if (!mail) return ["it is not in the database"];
  const { from, subject, text, html, to, cc, bcc, attachments } = one.expect;
  is("from", mail.from_address, from?.address);
  if (from?.name !== undefined) is("name", mail.names?.[mail.from_address] ?? "", from.name);
  is("subject", mail.subject, subject);
  is("text", (mail.body ?? "").trimEnd(), text?.trimEnd());
  is("html", (mail.html ?? "").trimEnd(), html?.trimEnd());
  is("to", mail.to_addresses, to);
  is("cc", mail.cc_addresses, cc);
  is("bcc", mail.bcc_addresses, bcc);
  if (!attachments) return wrong;
  const files = await ask<File>(context, "SELECT * FROM attachments WHERE mail_id = $1 ORDER BY position", [id]);
  is(
    "files",
    files.map(({ filename }) => filename),
    attachments.map(({ filename }) => filename),
  );
  for (const [index, wanted] of attachments.entries()) {
    const file = files[index];
    if (!file) break;
    is("type", file.content_type?.split(";")[0] ?? undefined, wanted.contentType);
    is("cid", file.content_id ?? undefined, wanted.cid);
    const content = await context.ctx.attachments.read(file.storage_path);
    if (!content.equals(wanted.content)) {
      wrong.push(
        `${wanted.filename} has ${content.length} bytes ${JSON.stringify(content.toString("latin1").slice(0, 80))}, not ${wanted.content.length} ${JSON.stringify(wanted.content.toString("latin1").slice(0, 80))}`,
      );
    }
  }
  return wrong;
}

test.run();
