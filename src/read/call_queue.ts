/**
 * Calls of a reader that has one place to stand on: each begins when the one before it is done.
 *
 * @module
 */

/** See above. */
export class CallQueue {
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** True while no call is under way: the next one may be answered at once. */
  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Runs a call when its turn comes, at once where none is under way. */
  run<T>(call: () => Promise<T>): Promise<T> {
    const task = this.isIdle ? call() : this.#last.then(call);
    this.#waiting++;
    // Counted down before the caller goes on, so that its next call finds the fast path again.
    const counted = task.finally(() => this.#waiting--);
    this.#last = counted.catch(() => {});
    return counted;
  }

  /** Resolves once the calls so far are done. */
  async ended(): Promise<void> {
    await this.#last;
  }
}
