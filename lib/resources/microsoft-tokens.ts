/** Access tokens of Microsoft applications, kept until shortly before they expire. */
import { createHash } from "node:crypto";
import type { Logger } from "../../runtime/context.ts";
import type { Listener } from "./listener.ts";
import { logIn, type Application } from "./microsoft-login.ts";

export { LoginFailure, type Application } from "./microsoft-login.ts";

export interface MicrosoftTokens {
  /**
   * A token of an application for a scope (`https://graph.microsoft.com/.default`). Whoever asks while it is fetched
   * waits for that fetch. Throws `LoginFailure`.
   */
  get(application: Application, scope: string): Promise<string>;
  /** Forgets a token that is not taken any more: the next `get` fetches another. */
  drop(token: string): void;
}

export interface MicrosoftTokensOptions {
  /** `https://login.microsoftonline.com`, or a private one. */
  authority: string;
  /** Tells on `sender_config` that an application may have changed. */
  listener: Pick<Listener, "on" | "onGap">;
  log: Logger;
  /** Milliseconds that a request of a login may take. Default 10,000. */
  timeoutMs?: number;
}

interface Kept {
  token: string;
  /** Up to when it is handed out, and from when another is fetched meanwhile. */
  usableUntil: number;
  refreshAt: number;
}

const mostTokens = 1000;
/** At most this long before its end is a token replaced, and not handed out any more, in milliseconds. */
const refreshAheadMs = 5 * 60 * 1000;
const unusableAheadMs = 60 * 1000;
/** Until the next try after one that failed while the old token was still good. */
const refreshPauseMs = 10_000;

export function openMicrosoftTokens(options: MicrosoftTokensOptions): MicrosoftTokens {
  const { authority, listener, log, timeoutMs = 10_000 } = options;
  const tokens = new Map<string, Kept>();
  const fetches = new Map<string, Promise<string>>();

  function forgetAll(): void {
    tokens.clear();
    fetches.clear();
  }
  void listener.on("sender_config", forgetAll);
  listener.onGap(forgetAll);

  function fetchOnce(key: string, application: Application, scope: string): Promise<string> {
    const running = fetches.get(key);
    if (running) return running;
    const fetching = logIn(application, { authority, scope, timeoutMs })
      .then(({ token, lifetimeMs }) => {
        const end = Date.now() + lifetimeMs;
        const usableUntil = end - Math.min(unusableAheadMs, lifetimeMs / 10);
        const refreshAt = end - Math.min(refreshAheadMs, lifetimeMs / 5);
        // Unless all was forgotten meanwhile, and with it this fetch.
        if (fetches.get(key) === fetching) keep(key, { token, usableUntil, refreshAt });
        return token;
      })
      .finally(() => {
        if (fetches.get(key) === fetching) fetches.delete(key);
      });
    fetches.set(key, fetching);
    return fetching;
  }

  /** As the last used; the first used goes where there are too many. */
  function keep(key: string, kept: Kept): void {
    tokens.delete(key);
    tokens.set(key, kept);
    const [oldest] = tokens.keys();
    if (tokens.size > mostTokens && oldest !== undefined) tokens.delete(oldest);
  }

  return {
    async get(application, scope) {
      const key = keyOf(application, scope);
      const kept = tokens.get(key);
      const now = Date.now();
      if (!kept || kept.usableUntil <= now) return fetchOnce(key, application, scope);
      keep(key, kept);
      if (kept.refreshAt <= now) {
        fetchOnce(key, application, scope).catch((error: unknown) => {
          kept.refreshAt = Date.now() + refreshPauseMs;
          log.warn({ err: error }, "a Microsoft token could not be refreshed; the old one is still good");
        });
      }
      return kept.token;
    },
    drop(token) {
      for (const [key, kept] of tokens) if (kept.token === token) tokens.delete(key);
    },
  };
}

/** A hash, so that secrets are in no map; of the secret too, so that a rotated one logs in anew. */
function keyOf({ tenantId, clientId, clientSecret }: Application, scope: string): string {
  return createHash("sha256")
    .update(JSON.stringify([tenantId, clientId, clientSecret, scope]))
    .digest("base64");
}
