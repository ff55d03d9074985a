/** What must be true at the end, whatever went wrong on the way. Each breach is a sentence. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Pool } from "pg";
import { openContext } from "../harness/context.ts";
import { cleanAttachments } from "../../lib/mail/clean-attachments.ts";
import type { Struck } from "./faults.ts";
import type { Fleet } from "./fleet.ts";
import { late } from "./lateness.ts";
import type { Marked } from "./load.ts";

interface MailRow {
  id: string;
  subject: string;
  status: string;
  source: string;
  unknown: number;
}

interface JobRow {
  id: string;
  subject: string;
  executionstatus: string;
}

export interface Findings {
  breaches: string[];
  counts: Record<string, number>;
}

/** What was seen from outside. */
export interface Witness {
  sent: readonly Marked[];
  /** Answers that nobody should get. */
  odd: readonly string[];
  struck: readonly Struck[];
}

const dayMs = 24 * 60 * 60 * 1000;

/** To be called in calm: when nothing is broken, and nothing waits. */
export async function audit(fleet: Fleet, { sent, odd, struck }: Witness): Promise<Findings> {
  const mails = await allMails(fleet.db);
  const { rows: jobs } = await fleet.db.query<JobRow>("SELECT id, subject, executionstatus FROM tblschedulemail");
  const byId = new Map(mails.map((mail) => [mail.id, mail]));
  const bySubject = Map.groupBy(mails, ({ subject }) => subject);
  const arrived = Map.groupBy(
    fleet.sendgrid.ledger.filter(({ accepted }) => accepted),
    ({ mailId }) => mailId ?? "",
  );
  const copies = (id: string) => arrived.get(id)?.length ?? 0;
  const breaches: string[] = [];
  const breach = (is: boolean, sentence: string) => void (is && breaches.push(sentence));
  const named = ({ id, subject, status }: MailRow) => `mail ${id} (${subject}, ${status})`;

  for (const text of new Set(odd)) breaches.push(`an answer that nobody should get: ${text.slice(0, 200)}`);
  const acknowledged = sent.filter((mail) => mail.id !== undefined);
  for (const { id = "", by, subject, cancelled, hash } of acknowledged.filter((mail) => mail.by !== "schedule")) {
    const mail = byId.get(id);
    if (!mail) {
      breaches.push(`${subject} was acknowledged as ${id}, and is nowhere`);
      continue;
    }
    breach(by === "api" && (bySubject.get(subject)?.length ?? 0) > 1, `${named(mail)} was made twice of one key`);
    breach(cancelled === true && copies(id) > 0, `${named(mail)} was cancelled and sent`);
    breach(cancelled === true && mail.status !== "cancelled", `${named(mail)} was cancelled, and is not`);
    const hashes = (arrived.get(id) ?? []).map(({ body }) => String(body["hashes"]));
    breach(
      hashes.some((each) => each !== (hash ?? "")),
      `${named(mail)} arrived with other attachments`,
    );
  }
  for (const mail of mails) {
    breach(mail.status === "queued" || mail.status === "processing", `${named(mail)} never came to an end`);
    breach(mail.status === "sent" && copies(mail.id) === 0, `${named(mail)} is said to be sent, and did not arrive`);
    breach(
      copies(mail.id) > 1 + mail.unknown,
      `${named(mail)} arrived ${copies(mail.id)} times, with ${mail.unknown} unknown outcomes`,
    );
    breach(mail.status === "cancelled" && copies(mail.id) > 0, `${named(mail)} is cancelled, and arrived`);
  }
  for (const id of arrived.keys()) breach(!byId.has(id), `mail ${id} arrived, and is in no table`);

  const jobById = new Map(jobs.map((job) => [job.id, job]));
  for (const { id = "", subject } of acknowledged.filter((mail) => mail.by === "schedule"))
    breach(!jobById.has(id), `job ${id} (${subject}) was acknowledged, and is nowhere`);
  for (const { id, subject, executionstatus } of jobs) {
    const made = bySubject.get(subject)?.length ?? 0;
    breach(executionstatus === "Processing" || executionstatus === "Pending", `job ${id} stays ${executionstatus}`);
    breach(executionstatus === "Success" && made !== 1, `job ${id} (${subject}) made ${made} mails`);
  }
  breaches.push(...(await orphans(fleet)), ...(await late(fleet.db, struck)));

  const number = (is: (mail: MailRow) => boolean) => mails.filter(is).length;
  return {
    breaches,
    counts: {
      "tried to hand over": sent.length,
      acknowledged: acknowledged.length,
      "mails made": mails.length,
      sent: number(({ status }) => status === "sent"),
      failed: number(({ status }) => status === "failed"),
      cancelled: number(({ status }) => status === "cancelled"),
      "jobs run": jobs.filter(({ executionstatus }) => executionstatus === "Success").length,
      "unknown outcomes": mails.reduce((sum, { unknown }) => sum + unknown, 0),
      "arrived twice, as unknown outcomes say": number(({ id }) => copies(id) > 1),
      "requests to the provider": fleet.sendgrid.ledger.length,
    },
  };
}

async function allMails(db: Pool): Promise<MailRow[]> {
  const { rows } = await db.query<MailRow>(`
    SELECT id, subject, status, source, (
      SELECT count(*)::int FROM mail_events WHERE mail_id = mails.id AND type = 'outcome_unknown') AS unknown
    FROM mails`);
  return rows;
}

/** Mails whose files are not there; and files of no mail, once the cleaning of three days later has been by. */
async function orphans(fleet: Fleet): Promise<string[]> {
  const { rows } = await fleet.db.query<{ mail_id: string; storage_path: string }>(
    "SELECT mail_id, storage_path FROM attachments WHERE removed_at IS NULL",
  );
  const later = new Date(Date.now() + 3 * dayMs);
  const own = await openContext({ env: fleet.env, clock: { now: () => later } });
  await cleanAttachments(own.newCall());
  await own.close();
  const entries = await readdir(fleet.attachments, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const known = new Set(rows.map(({ storage_path: path }) => join(fleet.attachments, path)));
  const there = new Set(files);
  return [
    ...[...known].filter((path) => !there.has(path)).map((path) => `the file of an attachment is gone: ${path}`),
    ...files
      .filter((path) => !known.has(path) && !path.includes("/.content/"))
      .map((path) => `a file belongs to no mail: ${path}`),
  ];
}

/** How many mails, jobs, campaigns and events of LINE are not over. */
export async function unfinished(db: Pool): Promise<number> {
  const { rows } = await db.query<{ count: number }>(`
    SELECT (SELECT count(*) FROM mails WHERE status IN ('queued', 'processing'))::int
         + (SELECT count(*) FROM tblschedulemail WHERE executionstatus IN ('Pending', 'Processing'))::int
         + (SELECT count(*) FROM campaigns WHERE status = 'sending')::int
         + (SELECT count(*) FROM line_events WHERE state IN ('received', 'handling'))::int AS count`);
  return rows[0]?.count ?? 0;
}
