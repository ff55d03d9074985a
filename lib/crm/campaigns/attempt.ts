/** What one attempt at a batch is given, and what it comes to. */
import type { Noted, SettleRow } from "./batches.sql.ts";

export interface Recipient {
  member_id: string;
  tries: number;
  /** Null: the member has been deleted, or has no account any more. */
  line_uid: string | null;
}

/** A batch in hand. */
export interface Batch {
  retryKey: string;
  tries: number;
  /** Nothing of it can have been accepted before. */
  fresh: boolean;
  recipients: readonly Recipient[];
  /** The messages for a member; null: for many. */
  json(memberId: number | null): { json: string };
  unit: string;
}

/** What an attempt has come to. */
export interface Result {
  fate: Omit<SettleRow, "campaign_id" | "batch" | "attempt">;
  /** Recipients whose fate is another than that of the batch. */
  noted: Noted[];
}

/** What a fate has unless it says otherwise: nobody knows what LINE has of it. */
export const plainFate = {
  tries: 0,
  delay_ms: 0,
  certain: false,
  other: false,
  singly: false,
  error: null,
  stop: null,
} as const;

export interface Known extends Recipient {
  line_uid: string;
}

/** Those with an id of LINE's; the others have failed. */
export function withIds(recipients: readonly Recipient[]): { known: Known[]; noted: Noted[] } {
  const known = recipients.filter((recipient): recipient is Known => recipient.line_uid !== null);
  const noted = recipients.filter(({ line_uid }) => line_uid === null);
  return { known, noted: noted.map((recipient) => failed(recipient, "The member has no LINE account any more")) };
}

export function failed({ member_id, tries }: Recipient, error: string): Noted {
  return { member_id, status: "failed", tries, error };
}
