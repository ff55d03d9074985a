/** The queues, as if something else wrote to them. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type ConfirmChannel } from "amqplib";
import type { Random } from "../../harness/random.ts";
import type { Findings } from "../findings.ts";
import { flipped } from "../frames.ts";
import type { Known } from "../known.ts";
import { Pace } from "../pace.ts";
import { nested, spoilt } from "../spoiling.ts";
import type { Done, Trial } from "./door.ts";

/** Each with a message that its consumer takes. */
const queues: readonly [string, (known: Known, random: Random) => unknown][] = [
  ["mail-queue", (known, random) => ({ mail_id: idOf("mail", known, random), bytes: random.between(0, 1000) })],
  ["line-events", (_known, random) => ({ id: random.between(1, 20_000) })],
  [
    "campaign-batches",
    (known, random) => ({ campaign_id: known.pick("campaign", random) ?? 1, batch: random.between(0, 3) }),
  ],
  ["crm-pms-sync", (known, random) => ({ task_id: idOf("task", known, random) })],
  ["crm-exports", (known, random) => ({ id: idOf("export", known, random) })],
];
const idOf = (kind: string, known: Known, random: Random) => known.pick(kind, random) ?? randomUUID();

/** So many at once, so that the broker's memory is not what is tried. */
const atOnce = 500;
/** Messages that nobody takes for so long are stuck. */
const patienceMs = 60_000;

/** What is no message is dead-lettered or dropped by the consumer; it must neither end it nor come back for ever. */
export async function fuzzQueue(trial: Trial): Promise<Done> {
  const { house, known, random, limits, findings } = trial;
  const connection = await connect(house.rabbitUrl);
  const channel = await connection.createConfirmChannel();
  // What the doors before have left to do is none of it.
  await emptied(channel, findings);
  const pace = new Pace("messages of the queues", limits, trial);
  const done = await pace.run(1, async (index) => {
    send(channel, known, random.fork(`message ${index}`));
    if (index % atOnce !== atOnce - 1) return;
    await channel.waitForConfirms();
    await emptied(channel, findings);
  });
  await channel.waitForConfirms();
  await emptied(channel, findings);
  await connection.close();
  return { ...done, figures: {} };
}

function send(channel: ConfirmChannel, known: Known, random: Random): void {
  const [mails, ...others] = queues;
  const [queue, make] =
    random.percent(60) && mails ? mails : (others[random.between(0, others.length - 1)] ?? mails ?? []);
  if (!queue || !make) return;
  const good = make(known, random);
  const value = random.percent(60) ? spoilt(good, random) : good;
  const text = Buffer.from(random.percent(3) ? nested(random) : (JSON.stringify(value) ?? ""));
  const content = random.percent(20) ? flipped(text, random) : text;
  const odd = {
    attempt: random.pick<unknown>([0, -1, 1e15, "x", true, { a: 1 }]),
    traceparent: random.pick(["x", ""]),
  };
  const headers = random.percent(30) ? odd : { attempt: 1 };
  const type = random.percent(10) ? { contentType: "a/b", contentEncoding: "gzip" } : {};
  channel.sendToQueue(queue, content, { headers, persistent: random.percent(50), ...type });
}

async function emptied(channel: ConfirmChannel, findings: Findings): Promise<void> {
  let least = Infinity;
  let since = performance.now();
  for (;;) {
    const counts = await Promise.all(queues.map(([queue]) => channel.checkQueue(queue)));
    const left = counts.reduce((sum, { messageCount }) => sum + messageCount, 0);
    if (left === 0) return;
    if (left < least) [least, since] = [left, performance.now()];
    if (performance.now() - since > patienceMs) {
      findings.add("stuck", counts.map(({ queue, messageCount }) => `${queue} ${messageCount}`).join(", "));
      return;
    }
    await pause(50);
  }
}
