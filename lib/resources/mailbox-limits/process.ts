/** Mailbox limits of one process, for a system without KeyDB and for the time that KeyDB is away. */
import type { MailboxRules, MailboxSlots } from "./slots.ts";

interface Slot {
  at: number;
  name: string;
}

/** `now` in milliseconds. */
export function openProcessSlots(rules: MailboxRules, now: () => number = () => performance.now()): MailboxSlots {
  const { perWindow, windowMs, atOnce, permitMs } = rules;
  /** By time. */
  const slots = new Map<string, Slot[]>();
  const permits = new Map<string, Map<string, number>>();
  let swept = now();

  /** Mailboxes that nobody sends from any more. */
  function sweep(): void {
    if (now() - swept < windowMs) return;
    swept = now();
    for (const [mailbox, list] of slots) if ((list.at(-1)?.at ?? 0) <= swept - windowMs) slots.delete(mailbox);
  }

  return {
    async enter(mailbox, mailId, departure) {
      if (perWindow === 0) return 0;
      sweep();
      const time = now();
      const all = (slots.get(mailbox) ?? []).filter(({ at }) => at > time - windowMs);
      const own = all.findIndex(({ name }) => name === mailId);
      const [mine] = own < 0 ? [] : all.splice(own, 1);
      const at = slotOf(all, mine?.at);
      place(all, at <= time ? { at: time, name: departure ?? mailId } : { at, name: mailId });
      slots.set(mailbox, all);
      return Math.max(0, Math.ceil(at - time));

      function slotOf(others: readonly Slot[], reserved: number | undefined): number {
        if (reserved !== undefined && reserved > time) return reserved;
        // Whoever is due goes before those whose time has not come; whoever is new goes behind them all.
        const before = reserved === undefined ? others : others.filter((slot) => slot.at <= time);
        const nth = before.at(-perWindow);
        return nth === undefined ? time : Math.max(time, nth.at + windowMs);
      }
    },

    async hold(mailbox, permit) {
      if (atOnce === 0) return true;
      const time = now();
      const held = permits.get(mailbox) ?? new Map<string, number>();
      for (const [name, until] of held) if (until <= time) held.delete(name);
      if (!held.has(permit) && held.size >= atOnce) return false;
      held.set(permit, time + permitMs);
      permits.set(mailbox, held);
      return true;
    },

    async release(mailbox, permit) {
      const held = permits.get(mailbox);
      held?.delete(permit);
      if (held?.size === 0) permits.delete(mailbox);
    },
  };
}

/** Behind all that are not later. */
function place(list: Slot[], slot: Slot): void {
  let index = list.length;
  while (index > 0 && (list[index - 1]?.at ?? 0) > slot.at) index--;
  list.splice(index, 0, slot);
}
