import { test } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, confidential } from "../ops/harness/context.ts";
import type { AnsweredCall } from "../runtime/host/host.ts";
import { apiLogRow } from "./api-log.ts";

const at = new Date("2026-01-20T10:00:00.500Z");
const id = "7f1c2b3a-0000-4000-8000-00000000000a";

const aCall = (given: Partial<AnsweredCall> = {}): AnsweredCall => ({
  function: "mail/send",
  method: "POST",
  path: "/api/v1/mail/send",
  params: undefined,
  status: 200,
  durationMs: 12.6,
  ip: "::ffff:10.1.2.3",
  caller: aCaller("client_sales"),
  reply: { success: true, mail_id: id, message: confidential },
  ...given,
});

test("a call becomes a row that says who did what from where, and nothing of what was in it", () => {
  assert.equal(apiLogRow(aCall(), at), {
    client_id: "client_sales",
    client_name: "The client_sales",
    request_ip: "10.1.2.3",
    endpoint: "/api/v1/mail/send",
    method: "POST",
    mail_id: id,
    status_code: 200,
    response_time_ms: 13,
    created_ms: at.getTime(),
  });
});

test("a call of nobody is not logged", () => {
  for (const caller of [undefined, null, "client_sales", {}, { clientId: "client_sales" }]) {
    assert.is(apiLogRow(aCall({ caller }), at), undefined);
  }
});

const mails: [what: string, call: Partial<AnsweredCall>, mailId: string | null][] = [
  ["the mail that was made", {}, id],
  ["the mail that was asked about", { path: "/api/v1/mail/status/:id", params: { id }, reply: undefined }, id],
  ["no mail", { reply: { success: true } }, null],
  ["no mail, but a problem", { reply: undefined, status: 400 }, null],
  ["an id that is none", { path: "/api/v1/mail/status/:id", params: { id: `${id}'--` }, reply: undefined }, null],
  ["the id of something else", { path: "/api/v1/auth/token/:id", params: { id }, reply: { id } }, null],
];
for (const [what, call, mailId] of mails) {
  test(`of the mail, a row names: ${what}`, () => assert.is(apiLogRow(aCall(call), at)?.mail_id, mailId));
}

const addresses: [ip: string | undefined, written: string | null][] = [
  ["10.1.2.3", "10.1.2.3"],
  ["::ffff:10.1.2.3", "10.1.2.3"],
  ["::1", "::1"],
  ["fe80::1%eth0", "fe80::1"],
  ["::ffff:a01:203", "::ffff:a01:203"],
  [undefined, null],
];
for (const [ip, written] of addresses) {
  test(`the address ${ip} is written ${written}`, () => assert.is(apiLogRow(aCall({ ip }), at)?.request_ip, written));
}

test.run();
