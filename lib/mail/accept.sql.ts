/**
 * Accepts mails: mail, attachments and idempotency key in one statement, for all requests that are waiting at once.
 *
 * A row whose idempotency key is taken inserts nothing; the key's unique index makes concurrent requests wait for each
 * other's commit, so of fifty with one key exactly one comes through. Rows travel as one JSON array: a statement with
 * a parameter for each value would have to be planned anew for each batch size.
 */
import type { Statement } from "../resources/batch.ts";

/** A mail as it is inserted; names are the columns'. */
export interface AcceptRow {
  id: string;
  from_address: string;
  to_addresses: readonly string[];
  cc_addresses: readonly string[];
  bcc_addresses: readonly string[];
  names: Readonly<Record<string, string>> | null;
  subject: string;
  body: string | null;
  html: string | null;
  client_id: string;
  client_name: string | null;
  metadata: unknown;
  created_at: string;
  due_at: string;
  idempotency_key: string | null;
  body_hash: string | null;
  attachments: readonly AcceptAttachment[];
}

export interface AcceptAttachment {
  position: number;
  filename: string;
  content_type: string | null;
  size_bytes: number;
  storage_path: string;
}

/** A returned row says that the mail was inserted; none says that its idempotency key was taken. */
export const acceptMails: Statement<AcceptRow, { i: number }> = {
  name: "accept_mails",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (
        i int, id uuid, from_address text, to_addresses text[], cc_addresses text[], bcc_addresses text[], names jsonb,
        subject text, body text, html text, client_id text, client_name text, metadata jsonb,
        created_at timestamptz, due_at timestamptz, idempotency_key text, body_hash text, attachments jsonb)
    ),
    keys AS (
      INSERT INTO idempotency_keys (client_id, key, body_hash, mail_id, created_at)
      SELECT client_id, idempotency_key, body_hash, id, created_at FROM input WHERE idempotency_key IS NOT NULL
      ON CONFLICT (client_id, key) DO NOTHING
      RETURNING mail_id
    ),
    accepted AS (
      INSERT INTO mails (id, from_address, to_addresses, cc_addresses, bcc_addresses, names, subject, body, html,
                         client_id, client_name, metadata, created_at, updated_at, due_at)
      SELECT id, from_address, to_addresses, cc_addresses, bcc_addresses, nullif(names, 'null'), subject, body, html,
             client_id, client_name, nullif(metadata, 'null'), created_at, created_at, due_at
      FROM input
      WHERE idempotency_key IS NULL OR id IN (SELECT mail_id FROM keys)
      RETURNING id
    ),
    attached AS (
      INSERT INTO attachments (mail_id, position, filename, content_type, size_bytes, storage_path)
      SELECT input.id, file.position, file.filename, file.content_type, file.size_bytes, file.storage_path
      FROM input
      CROSS JOIN LATERAL jsonb_to_recordset(input.attachments) AS file (
        position int, filename text, content_type text, size_bytes bigint, storage_path text)
      WHERE jsonb_array_length(input.attachments) > 0 AND input.id IN (SELECT id FROM accepted)
    )
    SELECT input.i FROM input JOIN accepted USING (id)`,
};

/** What an idempotency key stands for; `expired` when it was used before $3. */
export const findIdempotent = `
  SELECT keys.mail_id, keys.body_hash, mails.created_at, keys.created_at < $3 AS expired
  FROM idempotency_keys AS keys JOIN mails ON mails.id = keys.mail_id
  WHERE keys.client_id = $1 AND keys.key = $2`;

/** Forgets one key that was used before $3. */
export const forgetKey = `DELETE FROM idempotency_keys WHERE client_id = $1 AND key = $2 AND created_at < $3`;

/** Forgets the keys that were used before $1, up to $2 of them. */
export const forgetKeys = `
  DELETE FROM idempotency_keys WHERE (client_id, key) IN (
    SELECT client_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)`;
