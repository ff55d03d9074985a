/** What must be true of campaigns and of what guests said, whatever went wrong on the way. */
import type { Findings } from "./audit.ts";
import type { Fleet } from "./fleet.ts";
import type { Hotel } from "./hotel.ts";

interface Recipient {
  campaign_id: number;
  uid: string;
  status: string;
}

/** To be called in calm. */
export async function auditHotel({ db, line }: Fleet, { campaigns, said, odd }: Hotel): Promise<Findings> {
  const breaches = [...new Set(odd)].map((text) => `an answer that nobody should get: ${text.slice(0, 200)}`);
  const breach = (is: boolean, sentence: string) => void (is && breaches.push(sentence));
  const { rows } = await db.query<Recipient>(`
    SELECT campaign_id::float8, line_uid AS uid, d.status
    FROM campaign_deliveries AS d JOIN members ON members.id = member_id`);
  const statuses = await statusesOf(db);
  const recipients = Map.groupBy(rows, ({ campaign_id: id }) => id);
  const copies = (uid: string, text: string) =>
    line.ledger.received(uid).filter(({ messages }) => messages?.[0]?.["text"] === text).length;

  for (const { id, text, to } of campaigns) {
    const reached = new Map((recipients.get(id) ?? []).map(({ uid, status }) => [uid, status]));
    const status = statuses.get(id) ?? "nowhere";
    breach(!/^(sent|failed)$/.test(status), `${text} was begun, and is ${status}`);
    for (const uid of to) {
      const told = reached.get(uid);
      const got = copies(uid, text);
      breach(told === undefined, `${text} leaves ${uid} out`);
      breach(told === "pending", `${text} is over, and waits for ${uid}`);
      breach(told === "sent" && got === 0, `${text} is said to be sent to ${uid}, and did not arrive`);
      breach(got > 1, `${text} arrived ${got} times at ${uid}`);
    }
  }
  breach(line.misusedKeys.size > 0, `${line.misusedKeys.size} retry keys came again with another request`);

  const heard = await heardOf(db);
  for (const { by, taken } of said) {
    const [times, answers] = [heard.get(by) ?? 0, line.ledger.count(by)];
    breach(taken && times === 0, `what ${by} said was acknowledged, and is nowhere`);
    breach(times > 1, `what ${by} said is there ${times} times`);
    breach(answers > 1, `${by} was answered ${answers} times`);
  }
  const number = (is: (recipient: Recipient) => boolean) => rows.filter(is).length;
  const acknowledged = said.filter(({ taken }) => taken);
  return {
    breaches,
    counts: {
      "campaigns begun": campaigns.length,
      "members sent to": number(({ status }) => status === "sent"),
      "members failed": number(({ status }) => status === "failed"),
      "words of guests acknowledged": acknowledged.length,
      "guests answered": acknowledged.filter(({ by }) => line.ledger.count(by) > 0).length,
      "messages at LINE": line.ledger.copies,
    },
  };
}

async function statusesOf(db: Fleet["db"]): Promise<Map<number, string>> {
  const { rows } = await db.query<{ id: number; status: string }>("SELECT id::float8, status FROM campaigns");
  return new Map(rows.map(({ id, status }) => [id, status]));
}

/** How many incoming messages of each guest are there. */
async function heardOf(db: Fleet["db"]): Promise<Map<string, number>> {
  const { rows } = await db.query<{ uid: string; count: number }>(`
    SELECT line_uid AS uid, count(*)::int AS count FROM messages JOIN members ON members.id = member_id
    WHERE direction = 'incoming' GROUP BY line_uid`);
  return new Map(rows.map(({ uid, count }) => [uid, count]));
}
