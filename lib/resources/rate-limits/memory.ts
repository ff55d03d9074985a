/** Windows in this process, for a system without KeyDB. rate-limiter-flexible's own in memory do not slide. */
import type { RateLimit, Verdict, Windows } from "../rate-limits.ts";
import { slicesPerWindow } from "./slices.ts";

export function memoryWindows(now: () => number = Date.now): Windows {
  const kept = new Map<number, Generations>();

  function windowOf({ name, seconds }: RateLimit, key: string, at: number): Window {
    let generations = kept.get(seconds);
    if (!generations) kept.set(seconds, (generations = new Generations(seconds)));
    return generations.get(`${name}:${key}`, at);
  }

  return {
    take(limit, key, points) {
      const at = now();
      return windowOf(limit, key, at).take(limit.points, points, at);
    },
    giveBack(limit, key, points) {
      const at = now();
      windowOf(limit, key, at).giveBack(points, at);
    },
  };
}

/** Forgets windows that nobody has looked at for longer than they last, without a timer and without looking for them. */
class Generations {
  readonly #sliceMs: number;
  readonly #lifeMs: number;
  #current = new Map<string, Window>();
  #previous = new Map<string, Window>();
  #endsAt = 0;

  constructor(seconds: number) {
    this.#sliceMs = (seconds * 1000) / slicesPerWindow;
    this.#lifeMs = seconds * 1000 + this.#sliceMs;
  }

  get(key: string, at: number): Window {
    if (at >= this.#endsAt) {
      this.#previous = at >= this.#endsAt + this.#lifeMs ? new Map() : this.#current;
      this.#current = new Map();
      this.#endsAt = at + this.#lifeMs;
    }
    let window = this.#current.get(key);
    if (window) return window;
    window = this.#previous.get(key) ?? new Window(this.#sliceMs);
    this.#current.set(key, window);
    return window;
  }
}

class Window {
  readonly #sliceMs: number;
  /** Points by number of slice, oldest first. */
  readonly #slices = new Map<number, number>();
  #counted = 0;

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  take(limit: number, points: number, at: number): Verdict {
    const slice = this.#advance(at);
    if (this.#counted + points > limit) {
      const remaining = Math.max(limit - this.#counted, 0);
      return { passed: false, counted: false, remaining, waitMs: this.#wait(limit, at) };
    }
    this.#slices.set(slice, (this.#slices.get(slice) ?? 0) + points);
    this.#counted += points;
    return { passed: true, counted: true, remaining: limit - this.#counted, waitMs: 0 };
  }

  giveBack(points: number, at: number): void {
    this.#advance(at);
    for (const [slice, counted] of [...this.#slices].toReversed()) {
      if (points === 0) break;
      const back = Math.min(counted, points);
      if (back < counted) this.#slices.set(slice, counted - back);
      else this.#slices.delete(slice);
      this.#counted -= back;
      points -= back;
    }
  }

  /** Forgets what has left the window; returns the slice that counts now. */
  #advance(at: number): number {
    const newest = Math.floor(at / this.#sliceMs);
    for (const [slice, counted] of this.#slices) {
      if (slice >= newest - slicesPerWindow) break;
      this.#slices.delete(slice);
      this.#counted -= counted;
    }
    return newest;
  }

  /** Milliseconds until one more point would fit, were the rest of the limit taken now. */
  #wait(limit: number, at: number): number {
    let excess = Math.max(this.#counted - limit, 0);
    let until = Math.floor(at / this.#sliceMs);
    for (const [slice, counted] of this.#slices) {
      until = slice;
      if ((excess -= counted) < 0) break;
    }
    return Math.ceil((until + slicesPerWindow + 1) * this.#sliceMs - at);
  }
}
