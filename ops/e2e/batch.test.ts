/** Many mails by one request. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type Answer, type Call, type System } from "./system.ts";

const batch = suite("batch");
let system: System;

batch.before(async () => {
  system = await startSystem({ env: { MAX_ATTACHMENT_SIZE_MB: "1" } });
});
batch.after(stopAll);

const send = (mails: unknown, call: Call = {}, to = system) =>
  to.call("/api/v1/mail/send/batch", { method: "POST", body: { mails }, ...call });

interface Result {
  mail_id?: string;
  status?: string;
  error?: string;
  message?: string;
  details?: { field: string; message: string }[];
}
const resultsOf = ({ body }: Answer): Result[] => (Array.isArray(body["results"]) ? body["results"] : []);
const idsOf = (answer: Answer) => resultsOf(answer).flatMap(({ mail_id }) => mail_id ?? []);
const errorsOf = (answer: Answer) => resultsOf(answer).map(({ status, error }) => status ?? error);

batch("a thousand mails are queued by one request, and each is sent once", async () => {
  const answer = await send(Array.from({ length: 1000 }, (_, n) => ({ ...plainMail, to: [`guest${n}@example.org`] })));
  assert.is(answer.status, 200, answer.text);
  assert.equal(Object.keys(answer.body), ["success", "batch_id", "results"]);
  assert.is(answer.body["success"], true);
  const ids = idsOf(answer);
  assert.is(new Set(ids).size, 1000);
  assert.equal(Object.keys(resultsOf(answer)[0] ?? {}), ["mail_id", "status"]);
  await eventually(async () => (await system.inbox()).length === 1000, { what: "all are sent", within: 60_000 });
  for (const id of [ids[0], ids[999]]) assert.is((await system.settled(id ?? "")).status, "sent");
  assert.equal((await system.inbox()).toSorted(), ids.map((id) => `${id}.1.eml`).toSorted());
});

batch("one bad mail rejects none of the others, whatever is wrong with it", async () => {
  const small = { filename: "a.txt", content: "aGk=" };
  const answer = await send([
    plainMail,
    7,
    null,
    { from: "shop@example.com" },
    { ...plainMail, to: "guest@example.org" },
    { ...plainMail, to: ["guest@example.org", "nobody"] },
    { ...plainMail, body: "", html: "" },
    { ...plainMail, attachments: [{ filename: "big.bin", content: Buffer.alloc(2 ** 21).toString("base64") }] },
    { ...plainMail, attachments: [small, { filename: "", content: "?" }] },
    { ...plainMail, send_at: "tomorrow" },
    { ...plainMail, attachments: [small] },
  ]);
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.body["success"], false);
  assert.equal(errorsOf(answer), [
    "queued",
    "invalid_request",
    "invalid_request",
    "invalid_request",
    "invalid_request",
    "invalid_request",
    "empty_body",
    "attachment_too_large",
    "invalid_request",
    "invalid_request",
    "queued",
  ]);
  const fields = resultsOf(answer).map(({ details = [] }) => details.map(({ field }) => field));
  assert.equal(fields[3]?.toSorted(), ["subject", "to"]);
  assert.equal(fields[4], ["to"]);
  assert.equal(fields[5], ["to[1]"]);
  assert.equal(fields[9], ["send_at"]);
  assert.is(resultsOf(answer)[7]?.message, "big.bin exceeds maximum size of 1MB");
  for (const id of idsOf(answer)) assert.is((await system.settled(id)).status, "sent");
});

batch("attachments, small and large, each arrive with their own mail", async () => {
  const large = Buffer.alloc(500_000, "large ");
  const file = (filename: string, content: Buffer | string) => ({
    filename,
    content: Buffer.from(content).toString("base64"),
  });
  const answer = await send([
    { ...plainMail, attachments: [file("large.bin", large)] },
    plainMail,
    { ...plainMail, attachments: [file("small.txt", "small"), file("again.bin", large)] },
  ]);
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.body["success"], true);
  const sizes = await Promise.all(
    idsOf(answer).map(async (id) => {
      await system.settled(id);
      return (await stat(join(system.dataDir, "inbox", `${id}.1.eml`))).size;
    }),
  );
  const [first = 0, second = 0, third = 0] = sizes;
  assert.ok(first > 500_000 && second < 10_000 && third > first, sizes.join());
});

batch("with every mail bad the answer is 400, with a reason for each", async () => {
  const answer = await send([{ ...plainMail, to: ["nobody"] }, 7]);
  assert.is(answer.status, 400);
  assert.equal(Object.keys(answer.body), ["success", "error", "message", "results"]);
  assert.equal([answer.body["success"], answer.body["error"]], [false, "invalid_request"]);
  assert.equal(errorsOf(answer), ["invalid_request", "invalid_request"]);
});

const wrong: [what: string, mails: unknown][] = [
  ["none", []],
  ["1,001", Array.from({ length: 1001 }, () => plainMail)],
  ["no list", plainMail],
  ["nothing", undefined],
];
for (const [what, mails] of wrong) {
  batch(`${what}: the request is refused, by the name of the field`, async () => {
    const answer = await send(mails);
    assert.is(answer.status, 400);
    assert.equal([answer.body["success"], answer.body["error"]], [false, "invalid_request"]);
    assert.match(answer.text, '"field":"mails"');
    assert.not("results" in answer.body);
  });
}

batch("without a token, or the permission, nothing is looked at", async () => {
  assert.is((await send([plainMail], { token: null })).status, 401);
  const reader = await system.call("/api/v1/auth/token", {
    method: "POST",
    body: { client_name: "Reader", permissions: ["mail:read"] },
  });
  assert.is((await send([plainMail], { token: String(reader.body["token"]) })).status, 403);
});

batch("what a limit refuses is told mail by mail, and by 429 when it is all of them", async () => {
  const limited = await startSystem({ env: { RATE_LIMIT_RECIPIENT_PER_HOUR: "2" } });
  const partly = await send([plainMail, plainMail, plainMail], {}, limited);
  assert.is(partly.status, 200, partly.text);
  assert.equal(errorsOf(partly), ["queued", "queued", "rate_limited"]);
  const refused = await send([plainMail, plainMail], {}, limited);
  assert.is(refused.status, 429);
  assert.equal([refused.body["success"], refused.body["error"]], [false, "rate_limited"]);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.equal(errorsOf(refused), ["rate_limited", "rate_limited"]);
});

batch.run();
