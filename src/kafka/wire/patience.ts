/**
 * How long a broker that is away is waited for: with growing pauses, up to a limit without any progress.
 *
 * @module
 */
import { KafkaError, UNKNOWN_TOPIC } from "./kafka_error.ts";
import { WireError } from "./encoding.ts";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;

/** Who waits, and for how long. */
export interface PatienceOptions {
  /** Longest time without progress, in milliseconds; `Infinity`: for ever. */
  readonly limitMs: number;
  /** A broker that has just started may not know its topics for so long. */
  readonly unknownTopicMs: number;
  readonly signal: AbortSignal | undefined;
  /** Told before each pause. */
  readonly onWait: ((error: Error, pauseMs: number) => void) | undefined;
}

/** See above. */
export class Patience {
  readonly #options: PatienceOptions;
  #failures = 0;
  #since = performance.now();

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Something succeeded: whatever fails next is new. */
  succeeded(): void {
    this.#failures = 0;
    this.#since = performance.now();
  }

  /** Failures since something succeeded. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Pauses before the next attempt.
   *
   * @throws The error itself where it does not pass by waiting, or has been waited for long enough.
   */
  async wait(error: unknown): Promise<void> {
    const { limitMs, unknownTopicMs, signal, onWait } = this.#options;
    signal?.throwIfAborted();
    // Time in which nothing failed is not time that was waited.
    if (this.#failures === 0) this.#since = performance.now();
    const waitedMs = performance.now() - this.#since;
    const isUnknownTopic = error instanceof KafkaError && error.number === UNKNOWN_TOPIC;
    const passes = error instanceof KafkaError ? error.passes : error instanceof WireError;
    if (!(passes || (isUnknownTopic && waitedMs < unknownTopicMs)) || waitedMs >= limitMs) throw error;
    const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures++;
    const pauseMs = Math.round(most / 2 + Math.random() * most / 2);
    onWait?.(error as Error, pauseMs);
    await pause(pauseMs, signal);
  }
}

/** Waits, or rejects with the signal's reason. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
