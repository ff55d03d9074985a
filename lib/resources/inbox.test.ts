import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import { openInbox } from "./inbox.ts";

test("a message is kept whole, under a name that mail programs open", async () => {
  const inbox = await openInbox(join(await temporaryFolder(), "data", "inbox"));
  await inbox.keep("mail-1.1", Buffer.from("Subject: one\r\n\r\nHello"));
  await inbox.keep("mail-1.2", Buffer.from("Subject: two\r\n\r\nHello"));
  assert.equal((await readdir(inbox.folder)).toSorted(), ["mail-1.1.eml", "mail-1.2.eml"]);
  assert.is(await readFile(join(inbox.folder, "mail-1.1.eml"), "utf8"), "Subject: one\r\n\r\nHello");
});

test("a message that breaks off is not kept, and leaves nothing behind", async () => {
  const inbox = await openInbox(await temporaryFolder());
  async function* broken() {
    yield Buffer.from("Subject: one\r\n");
    throw new Error("the file is gone");
  }
  const failure = await inbox.keep("mail-1.1", Readable.from(broken())).catch((error: unknown) => error);
  assert.match(String(failure), "the file is gone");
  assert.equal(await readdir(inbox.folder), []);
});

test("opening an inbox again keeps what is in it", async () => {
  const folder = await temporaryFolder();
  await (await openInbox(folder)).keep("a", Buffer.from("x"));
  const again = await openInbox(folder);
  await again.keep("a", Buffer.from("y"));
  assert.equal(await readdir(folder), ["a.eml"]);
  assert.is(await readFile(join(folder, "a.eml"), "utf8"), "y");
});

test.run();
