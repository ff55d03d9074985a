/** Values kept in process as long as the database does not say that they changed. */
import type { Listener } from "./listener.ts";

export interface WatchedCache<V> {
  get(key: string): V | undefined;
  /**
   * Loads and keeps a value. `load` returns the value and the id that a notification names it by; a change that
   * is told while it loads keeps it from being kept.
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
  let changes = 0;
  const clear = () => {
    changes++;
    entries.clear();
  };
  listener.on(channel, (id) => {
    changes++;
    for (const [key, entry] of entries) if (entry.id === id) entries.delete(key);
  });
  listener.onGap(clear);
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      if (listener.isLive() || Date.now() - entry.at < unwatchedMs) return entry.value;
      entries.delete(key);
      return undefined;
    },
    async fetch(key, load) {
      const seen = changes;
      const at = Date.now();
      const { value, id } = await load();
      if (seen !== changes) return value;
      entries.set(key, { value, id, at });
      if (entries.size > max) {
        const oldest = entries.keys().next();
        if (!oldest.done) entries.delete(oldest.value);
      }
      return value;
    },
  };
}
