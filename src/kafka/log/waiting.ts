/**
 * Callers that wait for a partition: for numbers to be acknowledged, or for room.
 *
 * @module
 */
import type { LogError } from "../../errors.ts";

/** What was refused long ago is not asked for any more. */
const KEPT_REFUSALS = 1024;

interface Waiter {
  readonly number: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

/** See above. */
export class Waiting {
  #waiters: Waiter[] = [];
  readonly #refused: { readonly first: number; readonly end: number; readonly error: LogError }[] = [];
  #untold: LogError | undefined = undefined;

  /** Resolves with the offset of a number, once it is reached. */
  wait(number: number, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal!.reason);
      };
      const settle = <T>(then: (value: T) => void) => (value: T): void => {
        signal?.removeEventListener("abort", stop);
        then(value);
      };
      const waiter: Waiter = { number, resolve: settle(resolve), reject: settle(reject) };
      this.#waiters.push(waiter);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  /** Resolves all that wait for numbers below `end`; `offsetOf` says which offset a number is. */
  reach(end: number, offsetOf: (number: number) => number): void {
    for (const { number, resolve } of this.#take(0, end)) resolve(offsetOf(number));
  }

  /** Rejects all. */
  fail(error: LogError): void {
    for (const { reject } of this.#take(0, Infinity)) reject(error);
  }

  /** Numbers whose records the broker refuses: rejects all that wait for them, now and later. */
  refuse(first: number, end: number, error: LogError): void {
    this.#refused.push({ first, end, error });
    if (this.#refused.length > KEPT_REFUSALS) this.#refused.shift();
    const told = this.#take(first, end);
    for (const { reject } of told) reject(error);
    if (told.length === 0) this.#untold ??= error;
  }

  /** Throws why a number was refused. */
  check(number: number): void {
    const found = this.#refused.find(({ first, end }) => number >= first && number < end);
    if (found !== undefined) throw found.error;
  }

  /** Throws the first refusal that nobody was told of. */
  tell(): void {
    const error = this.#untold;
    this.#untold = undefined;
    if (error !== undefined) throw error;
  }

  #take(from: number, end: number): Waiter[] {
    const due = this.#waiters.filter(({ number }) => number >= from && number < end);
    if (due.length > 0) this.#waiters = this.#waiters.filter(({ number }) => number < from || number >= end);
    return due;
  }
}
