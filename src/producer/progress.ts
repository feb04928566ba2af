/**
 * Waiting in a producer's thread for what the log's thread does.
 *
 * @module
 */
import type { ProducerMemory } from "../claims/producer_memory.ts";
import type { Clock } from "../vfs.ts";

/** No wait for a notification lasts longer: what was missed is found by looking again. */
const LOOK_AGAIN_MS = 1000;

interface Waiter {
  /** True: what is waited for is there. Throws where it will never be. */
  readonly check: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** One wait in shared memory for everybody in this thread who waits; none while nobody does. */
export class Progress {
  readonly #memory: ProducerMemory;
  readonly #clock: Clock;
  #waiters: Waiter[] = [];
  #isWatching = false;

  constructor(memory: ProducerMemory, clock: Clock) {
    this.#memory = memory;
    this.#clock = clock;
  }

  /** Resolves once `check` answers true, and rejects with what it throws. */
  until(check: () => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (check()) return resolve();
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal!.reason);
      };
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      const waiter: Waiter = {
        check,
        resolve: () => (settle(), resolve()),
        reject: (reason) => (settle(), reject(reason)),
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      if (!this.#isWatching) void this.#watch();
    });
  }

  /** Something changed in this thread: looks at once. */
  look(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    const still = waiters.filter((waiter) => {
      try {
        if (!waiter.check()) return true;
        waiter.resolve();
      } catch (error) {
        waiter.reject(error);
      }
      return false;
    });
    this.#waiters = still.concat(this.#waiters);
  }

  async #watch(): Promise<void> {
    this.#isWatching = true;
    for (;;) {
      const seen = this.#memory.progress;
      this.look();
      if (this.#waiters.length === 0) break;
      // A wait in shared memory keeps no thread alive, on Node and Bun; a timer does, and is also where nobody notifies.
      const timer = this.#clock.setTimer(() => {}, LOOK_AGAIN_MS + 100);
      await this.#memory.waitForProgress(seen, LOOK_AGAIN_MS);
      this.#clock.clearTimer(timer);
    }
    this.#isWatching = false;
  }
}
