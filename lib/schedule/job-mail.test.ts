import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JobMail, JobRelay } from "./job.ts";
import { addressList, isSealed, jobDraft, jobRelay, passwordPlace, relayFaults } from "./job-mail.ts";

const job: JobMail = {
  sender: "Hotel <hello@hotel.example>",
  recipients: "ann@example.com; bob@example.com",
  cc: null,
  bcc: "boss@hotel.example",
  subject: "Your stay",
  body: "<h1>Welcome</h1>",
};
const now = new Date("2026-01-20T00:00:00Z");

function draftOf(given: Partial<JobMail>) {
  const draft = jobDraft({ ...job, ...given }, now);
  if (Array.isArray(draft)) throw new Error(`Refused: ${JSON.stringify(draft)}`);
  return draft;
}

test("a job's columns are its mail", () => {
  const draft = draftOf({});
  assert.is(draft.from.name, "Hotel");
  assert.equal(
    draft.to.map(({ address }) => address),
    ["ann@example.com", "bob@example.com"],
  );
  assert.equal(
    draft.bcc.map(({ address }) => address),
    ["boss@hotel.example"],
  );
  assert.equal([draft.html, draft.text], ["<h1>Welcome</h1>", undefined]);
});

test("a body without an element is plain text", () => {
  for (const body of ["Dear Ann,\n\nwelcome.", "1 < 2 and 3 > 2", "write to <ann@example.com>", "a <- b"]) {
    assert.is(draftOf({ body }).text, body);
  }
  for (const body of ["<p>x", "a<br/>b", '<!DOCTYPE html><html lang="zh">', "x <b>y</b>"]) {
    assert.is(draftOf({ body }).html, body);
  }
});

test("addresses have commas, semicolons and blanks between them, and a quoted name may have them, too", () => {
  const given = ` ann@example.com,bob@example.com ;; "Lee, Ann; \\"A\\"" <ann@lee.example>,\n`;
  assert.equal(addressList(given), ["ann@example.com", "bob@example.com", `"Lee, Ann; \\"A\\"" <ann@lee.example>`]);
  assert.equal(addressList(" ;, "), []);
});

test("whatever stands there, nothing of an address list is lost but what is between", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const bare = (some: string) => some.replaceAll(/[,;\s]/g, "");
      assert.is(bare(addressList(text).join("")), bare(text));
    }),
  );
});

test("what is wrong is told by column, and in a list by entry", () => {
  const faults = (given: Partial<JobMail>) => jobDraft({ ...job, ...given }, now);
  assert.equal(faults({ sender: "hello" }), [
    { field: "sender", message: "must be an e-mail address, such as user@example.com" },
  ]);
  assert.equal(faults({ recipients: "ann@example.com; bob" }), [
    { field: "recipients", message: "entry 2 must be an e-mail address, such as user@example.com" },
  ]);
  assert.equal(faults({ recipients: ";" }), [{ field: "recipients", message: "must have at least one address" }]);
  assert.equal(faults({ subject: "a\r\nBcc: eve@example.com" }), [
    { field: "subject", message: "must not contain control characters" },
  ]);
  assert.equal(faults({ body: "" }), [{ field: "body", message: "must not be empty" }]);
});

const relay: JobRelay = {
  smtphost: "relay.example",
  smtpport: null,
  smtpuser: null,
  smtppassword: null,
  smtpsecure: null,
};
const keys = {
  seal: (plain: string, place: string) => `v1.00000000.${Buffer.from(`${place}|${plain}`).toString("base64url")}`,
  open: (sealed: string, place: string) =>
    Buffer.from(sealed.split(".")[2] ?? "", "base64url")
      .toString()
      .replace(`${place}|`, ""),
  isCurrent: () => true,
  macs: () => [Buffer.alloc(32)] as const,
  keyId: "00000000",
};
const read = (given: Partial<JobRelay>) => jobRelay({ secrets: keys }, { ...relay, ...given });

test("a relay that says little gets what is usual", () => {
  assert.is(read({ smtphost: null }), undefined);
  const open = { host: "relay.example", from: undefined, auth: { kind: "none" } };
  assert.equal(read({}), { ...open, port: 587, secure: "starttls" });
  assert.equal(read({ smtpport: 465 }), { ...open, port: 465, secure: "tls" });
  assert.equal(read({ smtpsecure: "TLS" }), { ...open, port: 465, secure: "tls" });
  assert.equal(read({ smtpport: 25, smtpsecure: "none" }), { ...open, port: 25, secure: "none" });
});

test("a password may lie sealed or in clear", () => {
  const sealed = keys.seal("secret", passwordPlace);
  assert.ok(isSealed(sealed));
  for (const smtppassword of [sealed, "secret"]) {
    assert.equal(read({ smtpuser: "hotel", smtppassword })?.auth, {
      kind: "password",
      user: "hotel",
      password: "secret",
    });
  }
});

test("a relay that cannot be is told by column", () => {
  const columns = (given: Partial<JobRelay>) => relayFaults({ ...relay, ...given }).map(({ field }) => field);
  assert.equal(columns({}), []);
  assert.equal(columns({ smtphost: null, smtpport: 25, smtpuser: "x" }), ["smtpport", "smtpuser"]);
  assert.equal(columns({ smtphost: "a b\r\n", smtpport: 70_000, smtpsecure: "ssl" }), [
    "smtphost",
    "smtpport",
    "smtpsecure",
  ]);
  assert.equal(columns({ smtppassword: "x" }), ["smtppassword"]);
});

test.run();
