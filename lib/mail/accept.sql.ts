/**
 * Accepts mails: mail, attachments and idempotency key in one statement, for all requests that are waiting at once.
 *
 * A row whose idempotency key is taken inserts nothing; the key's unique index makes concurrent requests wait for each
 * other's commit, so of fifty with one key exactly one comes through. Rows travel as one JSON array: a statement with
 * a parameter for each value would have to be planned anew for each batch size.
 */
import type { Statement } from "../resources/batch.ts";
import type { MailSource } from "./mail.ts";

/** A mail as it is inserted; names are the columns'. */
export interface MailRow {
  id: string;
  from_address: string;
  to_addresses: readonly string[];
  cc_addresses: readonly string[];
  bcc_addresses: readonly string[];
  reply_to: readonly string[];
  headers: Readonly<Record<string, string>> | null;
  names: Readonly<Record<string, string>> | null;
  subject: string;
  body: string | null;
  html: string | null;
  client_id: string;
  client_name: string | null;
  source: MailSource;
  metadata: unknown;
  created_at: string;
  send_at: string | null;
  due_at: string;
  batch_id: string | null;
  /** What it weighs: see `weightOf`. */
  attachment_bytes: number;
  /** A relay of its own, sealed for this mail. */
  relay: object | null;
  traceparent: string;
  attachments: readonly AttachmentRow[];
}

export interface AttachmentRow {
  position: number;
  filename: string;
  content_type: string | null;
  size_bytes: number;
  sha256: string;
  storage_path: string;
  content_id: string | null;
}

const mailColumns = `
  id uuid, from_address text, to_addresses text[], cc_addresses text[], bcc_addresses text[], reply_to text[], headers jsonb,
  names jsonb, subject text, body text, html text, client_id text, client_name text, source text, metadata jsonb, created_at timestamptz,
  send_at timestamptz, due_at timestamptz, batch_id uuid, attachment_bytes bigint, relay jsonb,
  traceparent text,
  attachments jsonb`;

/** Inserts the mails of `wanted`, which has `mailColumns`, with their attachments. */
const insertWanted = `
  accepted AS (
    INSERT INTO mails (id, from_address, to_addresses, cc_addresses, bcc_addresses, reply_to, headers, names, subject,
                       body, html, client_id, client_name, source, metadata, created_at, updated_at, send_at, due_at, batch_id,
                       attachment_bytes, relay, traceparent)
    SELECT id, from_address, to_addresses, cc_addresses, bcc_addresses, reply_to, nullif(headers, 'null'),
           nullif(names, 'null'), subject, body, html, client_id, client_name, source, nullif(metadata, 'null'), created_at, created_at, send_at, due_at, batch_id,
           attachment_bytes, nullif(relay, 'null'), traceparent
    FROM wanted
  ),
  attached AS (
    INSERT INTO attachments (mail_id, position, filename, content_type, size_bytes, sha256, storage_path, content_id)
    SELECT wanted.id, file.position, file.filename, file.content_type, file.size_bytes, file.sha256, file.storage_path,
           file.content_id
    FROM wanted
    CROSS JOIN LATERAL jsonb_to_recordset(wanted.attachments) AS file (
      position int, filename text, content_type text, size_bytes bigint, sha256 text, storage_path text,
      content_id text)
    WHERE jsonb_array_length(wanted.attachments) > 0
  )`;

export interface AcceptRow extends MailRow {
  idempotency_key: string | null;
  body_hash: string | null;
}

/** A returned row says that the mail was inserted; none says that its idempotency key was taken. */
export const acceptMails: Statement<AcceptRow, { i: number }> = {
  name: "accept_mails",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (i int, idempotency_key text, body_hash text, ${mailColumns})
    ),
    keys AS (
      INSERT INTO idempotency_keys (client_id, key, body_hash, mail_id, created_at)
      SELECT client_id, idempotency_key, body_hash, id, created_at FROM input WHERE idempotency_key IS NOT NULL
      ON CONFLICT (client_id, key) DO NOTHING
      RETURNING mail_id
    ),
    wanted AS (
      SELECT * FROM input WHERE idempotency_key IS NULL OR id IN (SELECT mail_id FROM keys)
    ),
    ${insertWanted}
    SELECT i FROM wanted`,
};

/** The mails of one request for many: all of them are accepted, or none. */
export interface BatchRow {
  client_id: string;
  idempotency_key: string | null;
  body_hash: string | null;
  /** JSON, for whoever repeats the request. */
  reply: string;
  created_at: string;
  mails: readonly MailRow[];
}

/** A returned row says that the batch was inserted; none says that its idempotency key was taken. */
export const acceptBatches: Statement<BatchRow, { i: number }> = {
  name: "accept_batches",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT *, row_number() OVER (PARTITION BY client_id, idempotency_key ORDER BY i) = 1 AS first
      FROM jsonb_to_recordset($1::jsonb) AS input (
        i int, client_id text, idempotency_key text, body_hash text, reply text, created_at timestamptz, mails jsonb)
    ),
    keys AS (
      INSERT INTO idempotency_keys (client_id, key, body_hash, reply, created_at)
      SELECT client_id, idempotency_key, body_hash, reply::json, created_at FROM input
      WHERE idempotency_key IS NOT NULL AND first
      ON CONFLICT (client_id, key) DO NOTHING
      RETURNING client_id, key
    ),
    batches AS (
      SELECT i, mails FROM input
      WHERE idempotency_key IS NULL OR (first AND (client_id, idempotency_key) IN (SELECT client_id, key FROM keys))
    ),
    wanted AS MATERIALIZED (
      SELECT mail.* FROM batches CROSS JOIN LATERAL jsonb_to_recordset(batches.mails) AS mail (${mailColumns})
    ),
    ${insertWanted}
    SELECT i FROM batches`,
};
