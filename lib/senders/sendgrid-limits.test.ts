import { test } from "uvu";
import * as assert from "uvu/assert";
import { aMail } from "../../ops/harness/context.ts";
import { Problem } from "../../runtime/problem.ts";
import { draftMail, type Draft } from "../mail/draft.ts";
import type { MailInput } from "../mail/draft.ts";
import { sendgridRefusals } from "./sendgrid-limits.ts";

const limit = 30 * 2 ** 20;

function draft(input: Partial<MailInput>, ...sizes: number[]): Draft {
  const checked = draftMail(aMail(input), { maxAttachmentBytes: 2 ** 30, now: new Date() });
  const attachments = sizes.map((sizeBytes, index) => ({
    filename: `報價-${index}.pdf`,
    storedAs: `${index}`,
    contentType: undefined,
    content: { sizeBytes, sha256: "", source: "" },
  }));
  return { ...checked, attachments };
}

/** How large the mail is told to be; undefined when that is not too large. */
function refusedBytes(given: Draft): number | undefined {
  try {
    assert.equal(sendgridRefusals(given), []);
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    assert.is(error.code, "mail_too_large");
    const [detail] = error.details ?? [];
    assert.is(detail?.field, given.attachments.length > 0 ? "attachments" : "body");
    return Number(/(\d+) bytes/.exec(detail?.message ?? "")?.[1]);
  }
}

test("an ordinary mail is refused nothing", () => {
  assert.equal(sendgridRefusals(draft({ html: "<p>42</p>" }, 1000)), []);
});

test("an empty file and an empty subject are refused by name", () => {
  assert.equal(
    sendgridRefusals(draft({ subject: "" }, 5, 0)).map(({ field }) => field),
    ["attachments[1].content", "subject"],
  );
});

test("a mail of 30 MB is too large, one byte less is not", () => {
  const rest = Buffer.byteLength(aMail().subject + (aMail().body ?? ""));
  assert.is(refusedBytes(draft({}, limit - rest - 1)), undefined);
  assert.is(refusedBytes(draft({}, limit - rest)), limit);
});

test("several files count together", () => {
  assert.is(refusedBytes(draft({}, 14 * 2 ** 20, 14 * 2 ** 20)), undefined);
  assert.ok(refusedBytes(draft({}, 14 * 2 ** 20, 14 * 2 ** 20, 14 * 2 ** 20)));
});

test("text counts in bytes", () => {
  assert.is(refusedBytes(draft({ body: "x".repeat(29 * 2 ** 20) })), undefined);
  assert.ok(refusedBytes(draft({ body: "王".repeat(11 * 2 ** 20) })), "a Chinese character is three");
});

test.run();
