/** Removes old rows, a batch in each statement: none of them holds locks, or keeps a connection, for long. */

/** A place among mails, oldest first. */
export interface MailPlace {
  created_at: string;
  id: string;
}

/** Before every mail. */
export const firstPlace: MailPlace = { created_at: "-infinity", id: "00000000-0000-0000-0000-000000000000" };

/**
 * Looks at the $4 mails from $2, $3 on that were made before $1, and removes those that are final and have been for as
 * long, with their timeline and the rows of attachments. A mail whose files are still on disk stays, because nobody
 * would know of them any more. Answers which have gone, and the last place, which is null at the end.
 */
export const removeMails = `
  WITH old AS (
    SELECT id, created_at, updated_at < $1 AND status IN ('sent', 'failed', 'cancelled') AND NOT EXISTS (
      SELECT FROM attachments WHERE mail_id = mails.id AND removed_at IS NULL) AS goes
    FROM mails WHERE created_at < $1 AND (created_at, id) > ($2, $3)
    ORDER BY created_at, id LIMIT $4
  ),
  removed AS (
    -- Asked again: a failed mail may be queued again at this moment.
    DELETE FROM mails USING old
    WHERE mails.id = old.id AND old.goes AND mails.status IN ('sent', 'failed', 'cancelled')
    RETURNING mails.id
  ),
  events AS (
    DELETE FROM mail_events USING removed WHERE mail_events.mail_id = removed.id
  )
  SELECT ARRAY(SELECT id FROM removed) AS ids,
    (SELECT jsonb_build_object('created_at', created_at::text, 'id', id) FROM old
     ORDER BY created_at DESC, id DESC LIMIT 1) AS last`;

/**
 * Looks at the $3 lines of timelines from $2 on, and removes those from before $1 whose mail is gone: an attempt may be
 * recorded just after its mail was removed. Answers how many, and the last line, which is null once they are younger.
 */
export const removeOrphans = `
  WITH next AS (
    SELECT id, mail_id, at FROM mail_events WHERE id > $2 ORDER BY id LIMIT $3
  ),
  removed AS (
    DELETE FROM mail_events USING next
    WHERE mail_events.id = next.id AND next.at < $1 AND NOT EXISTS (SELECT FROM mails WHERE mails.id = next.mail_id)
    RETURNING mail_events.id
  )
  SELECT (SELECT count(*)::int FROM removed) AS removed, (SELECT max(id) FROM next HAVING max(at) < $1) AS last`;

/** Removes up to $2 lines of the log of requests from before $1. */
export const removeLogs = `
  DELETE FROM api_logs WHERE id IN (SELECT id FROM api_logs WHERE created_at < $1 ORDER BY created_at LIMIT $2)`;
