/** An operator looks at the queues, and works off the mail that failed: with either broker. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import { runFn, type Variables } from "./fn.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { startSystem, stopAll, type System } from "./system.ts";
import { issueToken } from "./token.ts";

interface Failed {
  id: string;
  client: string;
  failed_at: string;
  attempts: number;
  retries: number;
  code: string;
}
interface Queues {
  queues: { queue: string; ready: number; delayed: number; active: number }[] | null;
  mails: { mails: string; count: number; oldest_seconds: number | null }[];
}

const secret = "Confidential";

export function runStories(broker: "RabbitMQ" | "pg-boss"): void {
  const story = suite(`queues: ${broker}`);
  let sendgrid: SendGridStandIn;
  let system: System;
  let env: Variables;

  story.before(async () => {
    sendgrid = await startSendGrid();
    env = {
      DATABASE_URL: await freshDatabase(),
      ...(broker === "RabbitMQ" && { RABBITMQ_URL: await freshVhost() }),
      JWT_SECRET: randomUUID(),
      SENDGRID_API_KEY: sendgrid.key,
      SENDGRID_BASE_URL: sendgrid.url,
      MAX_RETRY_COUNT: "1",
    };
    system = await startSystem({ env });
  });
  story.before.each(() => sendgrid.reset());
  story.after(async () => {
    await stopAll();
    await sendgrid.close();
  });

  const fn = (...args: string[]) => runFn(["queues", ...args], { env });
  const failedList = async (...args: string[]): Promise<Failed[]> =>
    JSON.parse((await fn("failed", "--json", ...args)).stdout);
  const queues = async (): Promise<Queues> => JSON.parse((await fn("--json")).stdout);
  const inFailedQueue = async () => (await queues()).queues?.find(({ queue }) => queue === "failed-mails")?.ready;

  /** Mails that a provider refused: their ids, oldest first. */
  async function failing(count: number, status = 400, token?: string): Promise<string[]> {
    sendgrid.always({ kind: "status", status, message: "refused" });
    const ids: string[] = [];
    for (; count > 0; count--) {
      const mail = { subject: secret, body: secret, to: ["ann@guests.example"] };
      const answer = await system.send(mail, token === undefined ? {} : { token });
      const id = String(answer.body["mail_id"]);
      assert.is((await system.settled(id)).status, "failed");
      ids.push(id);
    }
    sendgrid.always(undefined);
    return ids;
  }

  story("what waits is shown, and for how long", async () => {
    sendgrid.always({ kind: "status", status: 503 });
    const id = await system.accept();
    await eventually(async () => (await system.status(id)).retry_count === 1, { what: "it waits for its retry" });
    await system.stop();
    const later = await startSystem({ env: { ...env, FUNCTIONS: "mail/send,mail/status" } });
    for (let n = 0; n < 3; n++) await later.accept();
    await later.send({ send_at: new Date(Date.now() + 3600_000).toISOString() });

    await eventually(async () => (await queues()).queues?.[0]?.ready === 4, {
      what: "three wait, and the one whose time to wait is over",
      within: 15_000,
    });
    const { queues: found, mails } = await queues();
    assert.equal(found, [
      { queue: "mail-queue", ready: 4, delayed: 0, active: 0 },
      { queue: "failed-mails", ready: 0, delayed: 0, active: 0 },
    ]);
    const states = mails.map((row) => [row.mails, row.count, row.oldest_seconds === null]);
    assert.equal(states, [
      ["waiting", 4, false],
      ["sent later", 1, true],
      ["processing", 0, true],
      ["failed", 0, true],
    ]);
    const shown = await fn();
    assert.is(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /^mail-queue +4 +0 +0$/m);
    assert.match(shown.stdout, /^waiting +4 +\d+ s$/m);

    await later.stop();
    sendgrid.reset();
    await system.start();
    assert.is((await system.settled(id)).status, "sent");
  });

  story("failed mail is listed, newest first, without what is in it", async () => {
    const [first = "", second = ""] = await failing(2);
    const [third = ""] = await failing(1, 503, await issueToken(env, ["mail:send", "mail:read"]));
    const listed = await failedList();
    assert.equal(
      listed.map(({ id, attempts, retries, code }) => [id, attempts, retries, code]),
      [
        [third, 2, 1, "http_503"],
        [second, 1, 0, "http_400"],
        [first, 1, 0, "http_400"],
      ],
    );
    const [newest] = listed;
    assert.ok(newest && Math.abs(Date.parse(newest.failed_at) - Date.now()) < 20_000);
    const ids = async (...args: string[]) => (await failedList(...args)).map(({ id }) => id);
    assert.equal(await ids("--limit", "1"), [third]);
    assert.equal(await ids("--code", "http_400"), [second, first]);
    assert.equal(await ids("--client", newest.client), [third]);
    assert.equal(await ids("--client", newest.client, "--code", "http_400"), []);

    const shown = await fn("failed", "--limit", "2");
    assert.match(shown.stdout, new RegExp(`^${third} +client_\\w+ +\\S+Z +2 +1 +http_503$`, "m"));
    assert.match(shown.stderr, /more/);
    for (const text of [secret, "guests.example", "ann@", "refused"]) {
      assert.not.match(shown.stdout + JSON.stringify(listed), text);
    }
    assert.is(await inFailedQueue(), 3);
  });

  story("replayed mail is sent, and its message is gone; an id that has not failed is named", async () => {
    const [third = "", second = "", first = ""] = (await failedList()).map(({ id }) => id);
    const unknown = randomUUID();
    const done = await fn("replay", first, unknown, "no-id", "--json");
    assert.is(done.code, 1);
    const { requeued, refused } = JSON.parse(done.stdout) as { requeued: number; refused: { id: string }[] };
    assert.is(requeued, 1);
    assert.equal(
      refused.map(({ id }) => id),
      ["no-id", unknown],
    );
    assert.match(done.stderr, new RegExp(`^${unknown}: `, "m"));
    assert.is((await system.settled(first)).status, "sent");
    assert.is(await inFailedQueue(), 2);

    const byCode = await fn("replay", "--all", "--code", "http_503");
    assert.is(byCode.code, 0, byCode.stderr);
    assert.match(byCode.stdout, /^1 mail /);
    const all = await fn("replay", "--all");
    assert.match(all.stdout, /^1 mail /);
    for (const id of [second, third]) assert.is((await system.settled(id)).status, "sent");
    assert.equal(await failedList(), []);
    assert.is(await inFailedQueue(), 0);
    assert.is((await fn("replay", "--all")).code, 0);
  });

  story("mail that is retried by the API and fails again is on the list and in the queue once", async () => {
    const [id = ""] = await failing(1);
    sendgrid.always({ kind: "status", status: 400, message: "refused" });
    const retry = async () =>
      assert.is((await system.call(`/api/v1/mail/retry/${id}`, { method: "POST" })).status, 200);
    await retry();
    const failedAgain = async () => (await failedList()).some((row) => row.id === id && row.attempts === 2);
    await eventually(failedAgain, { what: "it failed again", within: 10_000 });
    sendgrid.always(undefined);
    await eventually(async () => (await inFailedQueue()) === 2, { what: "each failure left a message" });
    // Whatever a replay or drop is about, it clears up behind the API as well.
    assert.is((await fn("replay", "--all", "--code", "no_such_code")).stdout, "0 mails will be sent again.\n");
    assert.is(await inFailedQueue(), 1);
    await retry();
    assert.is((await system.settled(id)).status, "sent");
    assert.is((await fn("replay", "--all")).code, 0);
    assert.is(await inFailedQueue(), 0);
  });

  story("dropped mail leaves the list and its queue, and stays failed in history", async () => {
    const [first = "", second = "", third = ""] = await failing(3);
    const one = await fn("drop", first, "--yes");
    assert.is(one.code, 0, one.stderr);
    assert.match(one.stdout, /^1 mail dropped/);
    assert.is(await inFailedQueue(), 2);
    const state = await system.status(first);
    assert.is(state.status, "failed");
    assert.equal(
      state.events.map(({ type }) => type),
      ["failed", "dropped"],
    );
    const twice = await fn("drop", first, second);
    assert.is(twice.code, 1);
    assert.match(twice.stderr, first);
    assert.not.match(twice.stderr, second);
    assert.equal(
      (await failedList()).map(({ id }) => id),
      [third],
    );
    assert.is((await fn("drop", "--all", "--code", "http_503")).stdout, "0 mails dropped.\n");
    assert.is((await fn("drop", "--all")).stdout, "1 mail dropped.\n");
    assert.equal(await failedList(), []);
    assert.is(await inFailedQueue(), 0);

    assert.is((await fn("replay", first)).code, 0, "an operator may still change his mind");
    assert.is((await system.settled(first)).status, "sent");
  });

  story("a command that does not say which mail does nothing", async () => {
    await failing(1);
    for (const args of [[], ["--all", randomUUID()], [randomUUID(), "--code", "http_400"]]) {
      for (const command of ["replay", "drop"]) {
        const refused = await fn(command, ...args);
        assert.is(refused.code, 64, `${command} ${args.join(" ")}`);
        assert.match(refused.stderr, "--all");
      }
    }
    assert.is((await failedList()).length, 1);
  });

  if (broker === "RabbitMQ") {
    story("with the broker away the database is shown, and failed mail can be worked off", async () => {
      const [id = ""] = (await failedList()).map((row) => row.id);
      const away = { ...env, RABBITMQ_URL: "amqp://127.0.0.1:1" };
      const shown = await runFn(["queues"], { env: away });
      assert.is(shown.code, 1);
      assert.match(shown.stderr, "RabbitMQ is away");
      assert.match(shown.stdout, /^failed +1 +\d+ s$/m);
      const replayed = await runFn(["queues", "replay", id], { env: away });
      assert.is(replayed.code, 0, replayed.stderr);
      assert.match(replayed.stderr, "still in failed-mails");
      assert.is((await system.settled(id)).status, "sent", "the sweep published it");
    });
  }

  story.run();
}
