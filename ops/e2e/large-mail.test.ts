/** Large attachments: as clients of all kinds write them, all the way into the mail, and gone without a trace when refused. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type System } from "./system.ts";

const test = suite<{ system: System }>("large mail");
const mebibyte = 2 ** 20;

test.before(async (state) => {
  state.system = await startSystem({ env: { DATABASE_URL: await freshDatabase(), MAIL_SENDER: "sandbox" } });
});
test.after(stopAll);

/** Every file in the folder of attachments, by the inode that it is. */
async function stored({ dataDir }: System): Promise<Map<string, number>> {
  const entries = await readdir(join(dataDir, "attachments"), { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(paths.map(async (path) => [path, (await stat(path)).ino] as const)));
}

/** The attachments of a mail in the sandbox inbox. */
async function received(system: System, id: string): Promise<Buffer[]> {
  const state = await system.settled(id, 30_000);
  assert.is(state.status, "sent", JSON.stringify(state));
  const eml = await readFile(join(system.dataDir, "inbox", `${id}.1.eml`), "latin1");
  const boundary = /boundary="([^"]+)"/.exec(eml)?.[1] ?? "";
  const parts = eml.split(`--${boundary}`).filter((part) => /Content-Disposition: attachment/.test(part));
  return parts.map((part) => Buffer.from(part.slice(part.indexOf("\n\n")), "base64"));
}

test("files of 25 MB arrive byte for byte, however the client writes its JSON", async ({ system }) => {
  const content = randomBytes(25 * mebibyte);
  const base64 = content.toString("base64");
  const file = { filename: "plan.pdf", content: "BASE64", content_type: "application/pdf" };
  const json = JSON.stringify({ ...plainMail, attachments: [{ filename: "small.txt", content: "aGk=" }, file] });
  const forms = {
    plain: base64,
    PHP: base64.replaceAll("/", "\\/"),
    ".NET": base64.replaceAll("+", "\\u002B"),
    "in lines": base64.replaceAll(/.{76}/g, "$&\\r\\n"),
  };
  for (const [name, form] of Object.entries(forms)) {
    const answer = await system.send(undefined, { body: json.replace("BASE64", () => form) });
    assert.is(answer.status, 200, `${name}: ${answer.text}`);
    const [small, large] = await received(system, String(answer.body["mail_id"]));
    assert.is(String(small), "hi");
    assert.ok(large?.equals(content), name);
  }
  const files = await stored(system);
  const large = [...files].filter(([path]) => path.endsWith("plan.pdf"));
  assert.is(large.length, 4);
  assert.is(new Set(large.map(([, inode]) => inode)).size, 1, "and the content is on disk once");
  assert.is([...files.keys()].filter((path) => path.includes(".incoming")).length, 0);
});

test("what is refused leaves nothing behind", async ({ system }) => {
  const before = [...(await stored(system)).keys()];
  const large = { filename: "a.bin", content: randomBytes(2 * mebibyte).toString("base64") };
  const tooLarge = { filename: "iso.bin", content: randomBytes(25 * mebibyte + 1).toString("base64") };
  const cases: [mail: object, error: string][] = [
    [{ to: ["nobody"], attachments: [large] }, "invalid_request"],
    [{ body: "", attachments: [large] }, "empty_body"],
    [{ attachments: [large, tooLarge] }, "attachment_too_large"],
    [{ attachments: [{ ...large, content: `${large.content.slice(4)}*AAA` }] }, "invalid_request"],
    [{ attachments: [{ ...large, filename: "" }] }, "invalid_request"],
    [{ metadata: { content: large.content } }, "invalid_request"],
  ];
  for (const [mail, error] of cases) {
    const answer = await system.send({ ...mail });
    assert.is(answer.body["error"], error, answer.text);
    assert.is(answer.status, 400);
    assert.equal([...(await stored(system)).keys()], before);
  }
  const answer = await system.send({ attachments: [tooLarge] });
  assert.is(answer.body["message"], "iso.bin exceeds maximum size of 25MB");
  const cut = JSON.stringify({ ...plainMail, attachments: [large] }).slice(0, -2);
  assert.is((await system.send(undefined, { body: cut })).body["error"], "invalid_json");
  assert.equal([...(await stored(system)).keys()], before);
});

test("a client that leaves in the middle of a file leaves nothing behind", async ({ system }) => {
  const before = [...(await stored(system)).keys()];
  const socket = connect(system.port, "127.0.0.1");
  await once(socket, "connect");
  const head = [
    "POST /api/v1/mail/send HTTP/1.1",
    "Host: x",
    `Authorization: Bearer ${system.token}`,
    "Content-Type: application/json",
    `Content-Length: ${20 * mebibyte}`,
  ];
  socket.write(
    `${head.join("\r\n")}\r\n\r\n{"attachments":[{"content":"${randomBytes(2 * mebibyte).toString("base64")}`,
  );
  const incoming = async () => [...(await stored(system)).keys()].filter((path) => path.includes(".incoming"));
  await eventually(async () => (await incoming()).length === 1, { what: "the file is being received" });
  socket.destroy();
  await eventually(async () => (await incoming()).length === 0, { what: "what was received is gone" });
  assert.equal([...(await stored(system)).keys()], before);
});

test("the same large request again is the same mail, with another byte another one", async ({ system }) => {
  const body = (last: string) =>
    JSON.stringify({
      ...plainMail,
      attachments: [{ filename: "a.bin", content: `${"A".repeat(mebibyte)}${last}` }],
    });
  const headers = { "idempotency-key": "large" };
  const first = await system.send(undefined, { body: body("AAAA"), headers });
  const again = await system.send(undefined, { body: body("AAAA"), headers });
  assert.is(again.body["mail_id"], first.body["mail_id"]);
  assert.is(again.headers.get("idempotency-replayed"), "true");
  const other = await system.send(undefined, { body: body("AAAB"), headers });
  assert.is(other.body["error"], "idempotency_key_reused");
  const names = [...(await stored(system)).keys()].filter((path) => path.endsWith("a.bin"));
  assert.is(names.length, 1);
});

test("large files come with batches, too: each to its mail", async ({ system }) => {
  const contents = [randomBytes(3 * mebibyte), randomBytes(mebibyte), randomBytes(10)];
  const mails = contents.map((content) => ({
    ...plainMail,
    attachments: [{ filename: "a.bin", content: content.toString("base64") }],
  }));
  const bad = { ...plainMail, to: ["nobody"], attachments: mails[0]?.attachments };
  const answer = await system.call("/api/v1/mail/send/batch", { method: "POST", body: { mails: [bad, ...mails] } });
  assert.is(answer.status, 200, answer.text);
  const results = answer.body["results"] as { mail_id?: string; error?: string }[];
  assert.is(results[0]?.error, "invalid_request");
  for (const [index, content] of contents.entries()) {
    const [arrived] = await received(system, results[index + 1]?.mail_id ?? "");
    assert.ok(arrived?.equals(content), `mail ${index}`);
  }
});

test.run();
