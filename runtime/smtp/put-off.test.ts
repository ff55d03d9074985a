/** What an operator reads of mail that could not be taken. */
import { Writable } from "node:stream";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../../ops/harness/server.ts";
import { dial } from "../../ops/harness/smtp-dialogue.ts";
import { Metrics } from "../host/metrics.ts";
import { problems, smtp, type SmtpAccess } from "../index.ts";
import { bareSettings, createHost } from "../host/create.ts";
import { smtpTrigger } from "../triggers/smtp.ts";
import { PutOff } from "./put-off.ts";

const test = suite("mail that is put off");
type Line = Record<string, unknown>;

/** A log that can be read. */
function ownLog() {
  const lines: Line[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as Line);
      done();
    },
  });
  return { lines, log: pino({ formatters: { level: (level) => ({ level }) } }, stream) };
}

/** The lines above "info" after an access rule has thrown this at each of ten mails. */
async function logged(error: () => Error): Promise<Line[]> {
  const { lines, log } = ownLog();
  const refuse = () => {
    throw error();
  };
  const access: SmtpAccess<undefined> = { name: "nobody", check: refuse, trusts: () => true };
  const host = createHost({ settings: bareSettings, resources: {} as never, log }, new Metrics());
  const trigger = smtpTrigger(host);
  const port = await freePort();
  const definition = smtp({ port, access }).handle(() => ({ text: "taken" }));
  await trigger.mount({ name: "take", file: "take.ts", definition, hash: "1", inputs: [] });
  const client = await dial(port);
  await client.hear();
  await client.say("EHLO x");
  for (let mail = 0; mail < 10; mail++) assert.is((await client.say("MAIL FROM:<ann@example.com>")).code, 451);
  client.close();
  await trigger.drain();
  return lines.filter(({ level }) => level !== "info");
}

test("a service that is away is one line, which says why and has no stack", async () => {
  const cause = new Error("connect ECONNREFUSED 127.0.0.1:5432");
  const [line = {}, ...more] = await logged(() => problems.unavailable({ cause }));
  assert.is(more.length, 0);
  const { level, code, reply, reason, refusals, msg } = line;
  assert.equal(
    { level, code, reply, reason, refusals, msg },
    {
      level: "warn",
      code: "service_unavailable",
      reply: 451,
      reason: cause.message,
      refusals: 1,
      msg: "mail is put off: a service that it needs is away, or all are busy",
    },
  );
  assert.not.ok("err" in line);
});

test("without a cause, the problem itself is the reason", async () => {
  const [{ reason } = {}] = await logged(() => problems.unavailable({ message: "Too much at once" }));
  assert.is(reason, "Too much at once");
});

test("a fault of ours is told each time, with its stack", async () => {
  const lines = await logged(() => new Error("a bug"));
  assert.is(lines.length, 10);
  for (const { level, err } of lines)
    assert.ok(level === "error" && JSON.stringify(err).includes('"stack":"Error: a bug'));
});

test("an outage that goes on is told of each minute, with how many it has been", () => {
  const { lines, log } = ownLog();
  const putOff = new PutOff();
  for (let second = 0; second <= 120; second++) putOff.tell(log, problems.unavailable(), 451, second * 1000);
  assert.equal(
    lines.map(({ refusals }) => refusals),
    [1, 60, 60],
  );
});

test.run();
