/**
 * The time from an opening to a crash: what waits then must not wait for ever, and must not be told of success.
 *
 * @module
 */
import { CrashError } from "./crash_error.ts";
import type { StepClock } from "./stepped_clock.ts";

interface Pending {
  readonly promise: Promise<unknown>;
  readonly reject: (reason: unknown) => void;
}

/** Calls of one open log. */
export class Life {
  readonly directory: string;
  readonly #clock: StepClock;
  /** Whether the machine below has stopped, which nobody may have noticed yet. */
  readonly #stopped: () => boolean;
  readonly #pending = new Set<Pending>();
  readonly #endings: (() => void)[] = [];
  #error: CrashError | undefined = undefined;

  constructor(directory: string, clock: StepClock, stopped: () => boolean) {
    this.directory = directory;
    this.#clock = clock;
    this.#stopped = stopped;
  }

  /** Why it is over; `undefined` while it is not. */
  get error(): CrashError | undefined {
    if (this.#error === undefined && this.#stopped()) this.end();
    return this.#error;
  }

  /** Throws where it is over. */
  assertAlive(): void {
    if (this.error !== undefined) throw this.error;
  }

  /** Calls `ending` at the crash, before anything else changes. */
  onEnd(ending: () => void): void {
    this.#endings.push(ending);
  }

  /** What `call` answers, unless the crash comes first. Time may pass meanwhile. */
  guard<T>(call: () => Promise<T>): Promise<T> {
    if (this.error !== undefined) return Promise.reject(this.error);
    let resolve!: (value: T) => void;
    let reject!: (reason: unknown) => void;
    const promise = new Promise<T>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    const pending: Pending = { promise, reject };
    this.#pending.add(pending);
    this.#clock.begin();
    // Looking for the error ends a life whose machine has stopped, and takes this call out of those that wait.
    const isOver = (): boolean => {
      const over = this.error !== undefined || !this.#pending.delete(pending);
      if (!over) this.#clock.end();
      return over;
    };
    call().then((value) => {
      if (!isOver()) resolve(value);
    }, (reason: unknown) => {
      if (!isOver()) reject(reason);
    });
    return promise;
  }

  /** The crash: everything that waits rejects. Twice does nothing more. */
  end(): void {
    if (this.#error !== undefined) return;
    const error = this.#error = new CrashError(this.directory);
    for (const ending of this.#endings) ending();
    for (const { promise, reject } of this.#pending) {
      // Nobody has to listen to a dead process.
      promise.catch(() => {});
      this.#clock.end();
      reject(error);
    }
    this.#pending.clear();
  }
}
