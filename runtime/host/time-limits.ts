/** Time limits of running calls, watched by one timer for all: a timer of its own for each call costs more. */

/** How late a limit may be noticed, in milliseconds. */
const granularityMs = 50;

/** A running call in the list of those that have a limit. */
export class Limited {
  /** `performance.now()` value after which `expire` is called, once. */
  readonly deadline: number;
  readonly #onExpire: (() => void) | undefined;
  /** Neighbours in the list; the host's affair. */
  previous: Limited | undefined;
  next: Limited | undefined;

  constructor(deadline: number, onExpire?: () => void) {
    this.deadline = deadline;
    this.#onExpire = onExpire;
  }

  expire(): void {
    this.#onExpire?.();
  }
}

/** A doubly linked list: adding and deleting happen with every call, looking through it twenty times a second. */
export class TimeLimits {
  #first: Limited | undefined;
  readonly #timer = setInterval(() => this.#sweep(), granularityMs).unref();

  add(call: Limited): void {
    call.next = this.#first;
    if (this.#first) this.#first.previous = call;
    this.#first = call;
  }

  /** Deleting what is not in the list does nothing. */
  delete(call: Limited): void {
    if (call.previous) call.previous.next = call.next;
    else if (this.#first === call) this.#first = call.next;
    if (call.next) call.next.previous = call.previous;
    call.previous = undefined;
    call.next = undefined;
  }

  /** Expires everything that still runs: the drain's own limit has passed. */
  expireAll(): void {
    this.#sweep(Infinity);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(now = performance.now()): void {
    let call = this.#first;
    while (call) {
      const { next } = call;
      if (call.deadline <= now) {
        this.delete(call);
        call.expire();
      }
      call = next;
    }
  }
}
