/** Names of mailboxes as labels of metrics: a bounded number of them, or every new mailbox would be a series for ever. */

/** After this long without mail, in milliseconds, a mailbox makes room for another. */
const quietMs = 60 * 60 * 1000;

export interface MailboxLabels {
  /** The mailbox itself, as long as there is room for it; else `other`. */
  labelOf(mailbox: string): string;
}

export interface MailboxLabelsOptions {
  /** How many have their own label. */
  max: number;
  /** Told of one that has lost its label: its numbers are to be forgotten. */
  gone: (mailbox: string) => void;
  /** A clock in milliseconds. */
  now?: () => number;
}

export function openMailboxLabels({ max, gone, now = () => performance.now() }: MailboxLabelsOptions): MailboxLabels {
  /** When each was last used; in the order of that. */
  const used = new Map<string, number>();
  return {
    labelOf(mailbox) {
      const time = now();
      if (used.delete(mailbox) || used.size < max) {
        used.set(mailbox, time);
        return mailbox;
      }
      const [longest] = used;
      if (!longest || time - longest[1] < quietMs) return "other";
      used.delete(longest[0]);
      gone(longest[0]);
      used.set(mailbox, time);
      return mailbox;
    },
  };
}
