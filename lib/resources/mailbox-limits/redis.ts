/** Mailbox limits that all processes share, in KeyDB or Redis and by its clock. */
import { defineScript, type Redis } from "../redis.ts";
import type { MailboxRules, MailboxSlots } from "./slots.ts";

/**
 * KEYS[1]: departures and slots by time. ARGV: how many in a window, the window in ms, the mail, and the name that its
 * departure is counted under.
 */
const enter = defineScript(`
  local key, limit, window, mail = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local mine = tonumber(redis.call('ZSCORE', key, mail) or nil)
  local slot = now
  if mine and mine > now then
    slot = mine
  else
    local nth
    if mine then
      redis.call('ZREM', key, mail)
      nth = redis.call('ZREVRANGEBYSCORE', key, now, '-inf', 'WITHSCORES', 'LIMIT', limit - 1, 1)
    else
      nth = redis.call('ZREVRANGE', key, limit - 1, limit - 1, 'WITHSCORES')
    end
    if nth[2] then slot = math.max(now, tonumber(nth[2]) + window) end
  end
  if slot <= now and ARGV[4] ~= '' then mail = ARGV[4] end
  redis.call('ZADD', key, slot, mail)
  if redis.call('PTTL', key) < slot - now + window then redis.call('PEXPIRE', key, slot - now + window) end
  return slot - now`);

/** KEYS[1]: permits by the time that they end. ARGV: how many at once, how long one lasts in ms, the permit. */
const hold = defineScript(`
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if not redis.call('ZSCORE', KEYS[1], ARGV[3]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1`);

export function openRedisSlots(redis: Redis, rules: MailboxRules): MailboxSlots {
  const { perWindow, windowMs, atOnce, permitMs } = rules;
  const key = (mailbox: string, what: string) => `mailbox:{${mailbox}}:${what}`;
  return {
    async enter(mailbox, mailId, departure = "") {
      if (perWindow === 0) return 0;
      const args = [String(perWindow), String(windowMs), mailId, departure];
      return Number(await redis.run(enter, [key(mailbox, "slots")], args));
    },
    async hold(mailbox, permit) {
      if (atOnce === 0) return true;
      const args = [String(atOnce), String(permitMs), permit];
      return (await redis.run(hold, [key(mailbox, "permits")], args)) === 1;
    },
    async release(mailbox, permit) {
      if (atOnce > 0) await redis.client.zRem(key(mailbox, "permits"), permit);
    },
  };
}
