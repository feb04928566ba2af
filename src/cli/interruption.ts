/**
 * SIGINT and SIGTERM: the first one asks a command to come to its end, the next one ends the process as usual.
 *
 * @module
 */
import process from "node:process";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Whether somebody wants the program to end. */
export class Interruption {
  readonly #controller = new AbortController();
  /** The exit code that tells which signal it was; `undefined` while there was none. */
  exitCode: number | undefined = undefined;
  /** Resolves at the first signal. */
  readonly happened: Promise<"interrupted">;

  constructor() {
    this.happened = new Promise((resolve) => {
      this.signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
    });
  }

  /** Aborted at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** True for the error that everything rejects with that was given the signal. */
  isReason(error: unknown): boolean {
    return this.signal.aborted && this.signal.reason === error;
  }

  /** Begins to listen. */
  listen(): void {
    const listeners = Object.entries(EXIT_CODES).map(([name, exitCode]) => {
      const listener = (): void => {
        for (const [other, itsListener] of listeners) process.removeListener(other, itsListener);
        this.exitCode ??= exitCode;
        this.#controller.abort();
      };
      return [name, listener] as const;
    });
    for (const [name, listener] of listeners) process.on(name, listener);
  }
}
