/** Attachments that have had their time. */

export interface RemovedFile {
  storage_path: string;
  sha256: string | null;
}

/**
 * Says of up to $2 attachments that they are removed, whose mail has been final since before $1, and answers which. Said
 * before it is done: a mail that is queued again meanwhile is one whose files are all there, or known to be gone.
 */
export const markRemoved = `
  WITH old AS (
    SELECT attachments.id FROM attachments JOIN mails ON mails.id = attachments.mail_id
    WHERE removed_at IS NULL AND attachments.created_at < $1
      AND mails.status IN ('sent', 'failed', 'cancelled') AND mails.updated_at < $1
    ORDER BY attachments.created_at LIMIT $2
    FOR SHARE OF mails SKIP LOCKED
  )
  UPDATE attachments SET removed_at = now() FROM old WHERE attachments.id = old.id
  RETURNING storage_path, sha256`;

/** Which of the mails $1 have files that are not removed. */
export const mailsWithFiles = `
  SELECT DISTINCT mail_id FROM attachments WHERE mail_id = ANY($1::uuid[]) AND removed_at IS NULL`;
