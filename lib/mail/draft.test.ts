import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../../runtime/problem.ts";
import { openAttachments } from "../resources/attachments.ts";
import { draftMail, type MailInput } from "./draft.ts";

const mail = (given: Partial<MailInput> = {}): MailInput => ({
  from: "Sales <sales@Acme.example>",
  to: ["ann@example.com"],
  subject: "The offer",
  body: "42 each",
  ...given,
});
const draft = (given: Partial<MailInput> = {}) => draftMail(mail(given), { maxAttachmentBytes: 1000, now: new Date() });

function refusal(given: Partial<MailInput>): Problem {
  try {
    draft(given);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("it was taken");
}

test("a mail becomes a draft with parsed addresses", () => {
  assert.equal(draft({ html: "<p>", metadata: { order: [1, { deep: null }] } }), {
    from: { address: "sales@acme.example", domain: "acme.example", name: "Sales" },
    to: [{ address: "ann@example.com", domain: "example.com", name: undefined }],
    cc: [],
    bcc: [],
    replyTo: [],
    headers: undefined,
    subject: "The offer",
    text: "42 each",
    html: "<p>",
    attachments: [],
    metadata: { order: [1, { deep: null }] },
    sendAt: undefined,
  });
});

test("what is too large for memory is an attachment or nothing", () => {
  const large = (text: string) => (text === "a name" ? openAttachments("/nowhere").receive(1) : undefined);
  const given = mail({ metadata: { files: [{ content: "a name" }] } });
  assert.throws(
    () => draftMail(given, { maxAttachmentBytes: 1000, now: new Date() }, large),
    (error: unknown) => String(error).includes("metadata is larger than 64 KB"),
  );
});

test("who is named twice gets one copy: to before cc, cc before bcc", () => {
  const { to, cc, bcc } = draft({
    to: ["a@x.example", "A <a@X.example>", "b@x.example"],
    cc: ["b@x.example", "c@x.example"],
    bcc: ["c@x.example", "a@x.example", "d@x.example"],
  });
  const addresses = [to, cc, bcc].map((list) => list.map(({ address }) => address));
  assert.equal(addresses, [["a@x.example", "b@x.example"], ["c@x.example"], ["d@x.example"]]);
});

test("an address in another case is the same recipient, written as it came first", () => {
  const { to } = draft({ to: ["Ann@x.example", "ann@X.example"] });
  assert.equal(
    to.map(({ address }) => address),
    ["Ann@x.example"],
  );
});

test("1,000 recipients are taken, 1,001 are not, however they are spread", () => {
  const people = (count: number) => Array.from({ length: count }, (_, index) => `p${index}@x.example`);
  assert.is(draft({ to: people(400), cc: people(300), bcc: people(300) }).to.length, 400);
  const problem = refusal({ to: people(400), cc: people(300), bcc: people(301) });
  assert.is(problem.code, "invalid_request");
  assert.equal(problem.details, [{ field: "to", message: "with cc and bcc has 1001 recipients; 1000 is the most" }]);
});

const faulty: [given: Partial<MailInput>, field: string, message: RegExp][] = [
  [{ from: "sales" }, "from", /must be an e-mail address/],
  [{ to: ["ann@example.com", "bob"] }, "to[1]", /must be an e-mail address/],
  [{ cc: ["bob"] }, "cc[0]", /must be an e-mail address/],
  [{ bcc: ["bob@x.example\r\nBcc: eve@x.example"] }, "bcc[0]", /control characters/],
  [{ subject: "Hi\r\nBcc: eve@example.com" }, "subject", /control characters/],
  [{ subject: "half \udc00" }, "subject", /not valid Unicode/],
  [{ body: "a\0b" }, "body", /NUL/],
  [{ html: "half \ud83d" }, "html", /not valid Unicode/],
  [{ metadata: { a: "x\0" } }, "metadata", /NUL/],
  [{ metadata: { "\0": 1 } }, "metadata", /NUL/],
  [{ metadata: { a: [["\ud83d"]] } }, "metadata", /not valid Unicode/],
  [{ metadata: { a: "x".repeat(65 * 1024) } }, "metadata", /larger than 64 KB/],
  [{ metadata: { a: Array.from({ length: 9000 }, () => 1) } }, "metadata", /larger than 64 KB/],
  [{ attachments: [{ filename: "a", content: "?" }] }, "attachments[0].content", /base64/],
];
for (const [given, field, message] of faulty) {
  test(`refused: ${JSON.stringify(given).slice(0, 60)}`, () => {
    const problem = refusal(given);
    assert.is(problem.code, "invalid_request");
    assert.is(problem.status, 400);
    assert.is(problem.details?.length, 1);
    assert.is(problem.details?.[0]?.field, field);
    assert.match(problem.details?.[0]?.message ?? "", message);
    assert.ok(problem.message.startsWith(`${field} `), "the message alone says it too");
  });
}

test("metadata nested 32 levels deep is taken, deeper is not, and 100,000 levels break nothing", () => {
  const nested = (depth: number): Record<string, unknown> => {
    let value: Record<string, unknown> = {};
    for (let level = 1; level < depth; level++) value = { in: value };
    return value;
  };
  assert.equal(draft({ metadata: nested(32) }).metadata, nested(32));
  for (const depth of [33, 100_000]) {
    assert.match(refusal({ metadata: nested(depth) }).message, "metadata is nested more than 32 levels deep");
  }
});

test("all faults are told at once, up to twenty", () => {
  const { details } = refusal({ from: "x", to: ["y"], subject: "\n", body: "\0" });
  assert.equal(
    details?.map(({ field }) => field),
    ["from", "to[0]", "subject", "body"],
  );
  assert.is(refusal({ to: Array.from({ length: 50 }, () => "nobody") }).details?.length, 20);
});

test("a mail needs a body or html, and an empty text is none", () => {
  assert.is(refusal({ body: "" }).code, "empty_body");
  assert.is(refusal({ body: "", html: "" }).code, "empty_body");
  assert.is(draft({ body: "", html: "<p>" }).text, undefined);
  assert.is(draft({ html: "" }).html, undefined);
});

test("an attachment over the limit has a code of its own", () => {
  const problem = refusal({ attachments: [{ filename: "big", content: Buffer.alloc(1001).toString("base64") }] });
  assert.is(problem.code, "attachment_too_large");
});

test.run();
