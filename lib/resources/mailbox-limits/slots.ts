/**
 * Who may send from a mailbox, and when: the two rules, and what a driver does to keep them for all who share it.
 *
 * A mail that may not go yet gets the next free slot after all that were given before, so that however long the queue
 * is, it is asked about each mail once and not at every turn. Slots only order the waiting; what counts is the moment
 * of departure, decided anew when the mail comes: one that is late for its slot pushes those after it.
 */

export interface MailboxSlots {
  /**
   * Asks to send. Answers 0 and counts the mail as gone now, or the milliseconds until the slot that it has now. With
   * `departure`, a name of its own, it stays counted under that, also when the mail comes again; without, the mail may
   * ask again, and is counted at the last time.
   */
  enter(mailbox: string, mailId: string, departure?: string): Promise<number>;
  /** Takes or prolongs one of the mailbox's permits. False: all are taken. */
  hold(mailbox: string, permit: string): Promise<boolean>;
  release(mailbox: string, permit: string): Promise<void>;
}

export interface MailboxRules {
  /** Mails that may depart within any `windowMs`; 0: no limit. */
  perWindow: number;
  windowMs: number;
  /** Permits held at once; 0: no limit. */
  atOnce: number;
  /** Milliseconds after which a permit ends that is not prolonged: its holder was killed. */
  permitMs: number;
}
