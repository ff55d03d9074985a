/** Idempotency keys. They are written by the statements that accept mail. */

export interface EarlierRow {
  body_hash: string;
  mail_id: string | null;
  /** The whole reply, of a batch. */
  reply: unknown;
  created_at: Date;
  send_at: Date | null;
  expired: boolean;
}

/** What an idempotency key stands for; `expired` when it was used before $3. */
export const findIdempotent = `
  SELECT keys.body_hash, keys.mail_id, keys.reply, keys.created_at, mails.send_at, keys.created_at < $3 AS expired
  FROM idempotency_keys AS keys LEFT JOIN mails ON mails.id = keys.mail_id
  WHERE keys.client_id = $1 AND keys.key = $2`;

/** Forgets one key that was used before $3. */
export const forgetKey = `DELETE FROM idempotency_keys WHERE client_id = $1 AND key = $2 AND created_at < $3`;

/** Forgets the keys that were used before $1, up to $2 of them. */
export const forgetKeys = `
  DELETE FROM idempotency_keys WHERE (client_id, key) IN (
    SELECT client_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)`;
