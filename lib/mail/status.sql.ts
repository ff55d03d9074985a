/** A mail's state, for its owner. */
import type { MailStatus } from "./mail.ts";

export interface StatusRow {
  id: string;
  client_id: string;
  status: MailStatus;
  attempt: number;
  retry_count: number;
  created_at: Date;
  sent_at: Date | null;
  updated_at: Date;
  error_message: string | null;
}

export const selectStatus = `
  SELECT id, client_id, status, attempt, retry_count, created_at, sent_at, updated_at, error_message
  FROM mails WHERE id = $1`;

/** The timeline, oldest first. */
export const selectEvents = `
  SELECT at, type, provider, duration_ms, code, message FROM mail_events WHERE mail_id = $1 ORDER BY id`;
