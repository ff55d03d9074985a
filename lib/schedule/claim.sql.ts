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

/** What is blank counts as not given: so it is in rows that come from elsewhere. */
const columns = `id, progcode, sender, recipients, cc, bcc, subject, body, nullif(btrim(smtphost), '') AS smtphost, smtpport,
  nullif(btrim(smtpuser), '') AS smtpuser, nullif(smtppassword, '') AS smtppassword,
  nullif(btrim(smtpsecure), '') AS smtpsecure, nullif(btrim(cronexpr), '') AS cronexpr,
  nullif(btrim(timezone), '') AS timezone, nextexecutetime, lastexecutetime`;

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

/** Fails a job that could not be handed over, for the reason $2. One that somebody else has taken meanwhile is theirs. */
export const failJob = `
  UPDATE tblschedulemail SET executionstatus = 'Failed', lasterror = $2, lastexecutetime = now(), updatedat = now()
  WHERE id = $1 AND executionstatus <> 'Processing'`;

/**
 * Ends jobs whose mail has ended without them, as somebody had locked them; and those that have no mail, or none any
 * more, a minute after they began.
 */
export const catchUp = `
  WITH ended AS (
    SELECT job.id, mails.status, mails.error_message
    FROM tblschedulemail AS job LEFT JOIN mails ON mails.id = job.mailid
    WHERE job.executionstatus = 'Processing' AND (
      mails.status IN ('sent', 'failed', 'cancelled')
      OR (mails.id IS NULL AND coalesce(job.lastexecutetime, job.updatedat) < now() - interval '1 minute'))
    LIMIT 1000 FOR UPDATE OF job SKIP LOCKED
  )
  UPDATE tblschedulemail AS job SET
    executionstatus = scheduled_mail_end(ended.status, cronexpr, nextexecutetime, lastexecutetime),
    lasterror = CASE ended.status WHEN 'sent' THEN NULL WHEN 'failed' THEN ended.error_message
                WHEN 'cancelled' THEN 'cancelled' ELSE 'its mail is not there' END,
    updatedat = now()
  FROM ended WHERE job.id = ended.id`;

/** Up to $1 jobs whose password lies there in clear, and that nobody has locked. */
export const passwordsInClear = `
  SELECT id, smtppassword FROM tblschedulemail WHERE smtppassword !~ '^(v1\\.[0-9a-f]{8}\\.[A-Za-z0-9_-]+)?$'
  ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`;

export const sealPassword = "UPDATE tblschedulemail SET smtppassword = $2 WHERE id = $1";
