/** Claiming jobs: each is taken by one of however many ask. */
import type { ExecutionStatus, JobMail, JobPlan, JobRelay } from "./job.ts";

/** A job that is claimed, as long as the transaction lasts that claimed it. */
export interface Claimed extends JobMail, JobRelay, JobPlan {
  /** A bigint. */
  id: string;
  progcode: string;
  nextexecutetime: Date;
  lastexecutetime: Date;
}

const columns = `id, progcode, sender, recipients, cc, bcc, subject, body, smtphost, smtpport, smtpuser, smtppassword,
  smtpsecure, cronexpr, timezone, nextexecutetime, lastexecutetime`;

/**
 * Claims up to $1 due jobs, the longest due first, whose bodies have $2 bytes together, or one. Of callers at once none
 * waits for another, and none gets a job that another has.
 */
export const claimDue = `
  UPDATE tblschedulemail SET executionstatus = 'Processing', lastexecutetime = now(), updatedat = now()
  WHERE id IN (
    WITH due AS MATERIALIZED (
      SELECT id, nextexecutetime, octet_length(body) AS bytes FROM tblschedulemail
      WHERE isenabled AND executionstatus = 'Pending' AND nextexecutetime <= now()
      ORDER BY nextexecutetime, id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY nextexecutetime, id) - bytes AS before FROM due) AS due
    WHERE before < $2
  )
  RETURNING ${columns}`;

/** Claims the job $1, due or not, enabled or not, unless its mail is being sent. */
export const claimOne = `
  UPDATE tblschedulemail SET executionstatus = 'Processing', lastexecutetime = now(), updatedat = now()
  WHERE id = $1 AND executionstatus <> 'Processing'
  RETURNING ${columns}`;

/** What becomes of a claimed job, in the transaction of its claim. */
export interface HandedOver {
  id: string;
  mailid: string | null;
  executionstatus: ExecutionStatus;
  /** Null: as it is. */
  nextexecutetime: string | null;
  lasterror: string | null;
}

export const handOver = `
  UPDATE tblschedulemail AS job SET
    mailid = result.mailid, executionstatus = result.executionstatus, lasterror = result.lasterror,
    nextexecutetime = coalesce(result.nextexecutetime, job.nextexecutetime)
  FROM jsonb_to_recordset($1::jsonb) AS result (
    id bigint, mailid uuid, executionstatus text, nextexecutetime timestamptz, lasterror text)
  WHERE job.id = result.id`;

export const jobExists = "SELECT FROM tblschedulemail WHERE id = $1";

/** Up to $1 jobs whose password lies there in clear. */
export const passwordsInClear = `
  SELECT id, smtppassword FROM tblschedulemail WHERE smtppassword NOT LIKE 'v1.%' ORDER BY id LIMIT $1`;

export const sealPassword = "UPDATE tblschedulemail SET smtppassword = $3 WHERE id = $1 AND smtppassword = $2";
