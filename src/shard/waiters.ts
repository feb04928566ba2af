/**
 * Promises that wait for an offset to be reached, or for room.
 *
 * @module
 */

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Waiters in the order of their offsets; nearly all come in that order. */
export class OffsetWaiters {
  #waiting: Waiter[] = [];
  /** Those before it are done; removed now and then, not one by one. */
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#waiting.length;
  }

  /** Resolves once everything before `end` (exclusive) is reached. */
  wait(end: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const waiter: Waiter = { offset: end, resolve, reject };
      if (signal !== undefined) this.#listen(waiter, signal);
      else this.#insert(waiter);
    });
  }

  /** Resolves all that wait for `end` or less. */
  reach(end: number): void {
    while (this.#head < this.#waiting.length && this.#waiting[this.#head].offset <= end) {
      this.#waiting[this.#head++].resolve();
    }
    if (this.#head > 1024 || this.isEmpty) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Rejects all. */
  fail(reason: unknown): void {
    const waiting = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    for (const waiter of waiting) waiter.reject(reason);
  }

  #insert(waiter: Waiter): void {
    let at = this.#waiting.length;
    while (at > this.#head && this.#waiting[at - 1].offset > waiter.offset) at--;
    if (at === this.#waiting.length) this.#waiting.push(waiter);
    else this.#waiting.splice(at, 0, waiter);
  }

  #listen(plain: Waiter, signal: AbortSignal): void {
    const onAbort = (): void => {
      // It is there: whoever takes it out takes the listener back first.
      this.#waiting.splice(this.#waiting.indexOf(waiter, this.#head), 1);
      plain.reject(signal.reason);
    };
    const settle = (): void => signal.removeEventListener("abort", onAbort);
    const waiter: Waiter = {
      offset: plain.offset,
      resolve: () => (settle(), plain.resolve()),
      reject: (reason) => (settle(), plain.reject(reason)),
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#insert(waiter);
  }
}
