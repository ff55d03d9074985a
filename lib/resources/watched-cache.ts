/** Values kept in process as long as the database does not say that they changed. */
import type { Listener } from "./listener.ts";

export interface WatchedCache<V> {
  get(key: string): V | undefined;
  /**
   * Loads and keeps a value. `load` returns the value and the id that a notification names it by; a change that
   * is told while it loads keeps it from being kept. Who asks while a value is loaded gets that one, as long as he
   * might have it from memory: or else a thousand requests that come before the first is answered ask the database
   * a thousand times, and wait for its connections.
   */
  fetch(key: string, load: () => Promise<{ value: V; id: string }>): Promise<V>;
}

export interface WatchedCacheOptions {
  listener: Listener;
  /** Channel whose payloads are the ids of what changed. */
  channel: string;
  /** Most entries. */
  max: number;
  /** How old a value may be while no notifications can come, in milliseconds. */
  unwatchedMs: number;
}

export function openWatchedCache<V>({ listener, channel, max, unwatchedMs }: WatchedCacheOptions): WatchedCache<V> {
  const entries = new Map<string, { value: V; id: string; at: number }>();
  const loading = new Map<string, { value: Promise<V>; at: number; seen: number }>();
  let changes = 0;
  const isBelieved = (at: number) => listener.isLive() || Date.now() - at < unwatchedMs;
  const clear = () => {
    changes++;
    entries.clear();
  };
  listener.on(channel, (id) => {
    changes++;
    for (const [key, entry] of entries) if (entry.id === id) entries.delete(key);
  });
  listener.onGap(clear);

  async function loadAndKeep(key: string, load: () => Promise<{ value: V; id: string }>, at: number): Promise<V> {
    const seen = changes;
    const { value, id } = await load();
    if (seen !== changes) return value;
    entries.set(key, { value, id, at });
    if (entries.size > max) {
      const oldest = entries.keys().next();
      if (!oldest.done) entries.delete(oldest.value);
    }
    return value;
  }

  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      if (isBelieved(entry.at)) return entry.value;
      entries.delete(key);
      return undefined;
    },
    async fetch(key, load) {
      const earlier = loading.get(key);
      if (earlier && earlier.seen === changes && isBelieved(earlier.at)) return await earlier.value;
      const at = Date.now();
      const mine = { value: loadAndKeep(key, load, at), at, seen: changes };
      loading.set(key, mine);
      try {
        return await mine.value;
      } finally {
        if (loading.get(key) === mine) loading.delete(key);
      }
    },
  };
}
