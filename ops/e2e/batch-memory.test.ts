/** Many large batches at once, in a process that has as little memory as in production. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshDatabase, freshVhost } from "../harness/test.ts";
import { plainMail, startSystem, stopAll } from "./system.ts";

const story = suite("memory of batches");
story.after(stopAll);

/** As in the image. */
const small = { NODE_OPTIONS: "--max-old-space-size=112", MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072" };

story("sixteen batches of a thousand mails at once are taken one after the other, or asked to come back", async () => {
  const system = await startSystem({
    env: {
      ...small,
      DATABASE_URL: await freshDatabase(),
      RABBITMQ_URL: await freshVhost(),
      MAIL_SENDER: "sandbox",
      // What sends it would share the little memory.
      FUNCTIONS: "health,auth/*,mail/send,mail/send-batch",
    },
  });
  const body = JSON.stringify({
    mails: Array.from({ length: 1000 }, () => ({ ...plainMail, body: "Grüße aus dem Hotel. ".repeat(150) })),
  });
  const send = () => system.call("/api/v1/mail/send/batch", { method: "POST", body });
  const answers = await Promise.all(Array.from({ length: 16 }, send));
  const taken = answers.filter(({ status }) => status === 200);
  for (const { status, text, headers } of answers) {
    // 504: on a machine so slow that a call's own time was up meanwhile.
    assert.ok([200, 503, 504].includes(status), text);
    if (status === 503) assert.ok(Number(headers.get("retry-after")) > 0);
  }
  assert.ok(taken.length > 0);
  assert.is((await send()).status, 200, "it is as well as before");
});

story.run();
