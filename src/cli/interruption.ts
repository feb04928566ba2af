/**
 * SIGINT and SIGTERM: the first one asks a command to come to its end, the next one ends the process as usual.
 *
 * @module
 */
import process from "node:process";

/** So long an interrupted program waits for readers of its output that take nothing. */
const GRACE_MS = 1000;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Whether somebody wants the program to end. */
export class Interruption {
  readonly #controller = new AbortController();
  #listeners: (readonly [name: string, listener: () => void])[] = [];
  /** The exit code that tells which signal it was; `undefined` while there was none. */
  exitCode: number | undefined = undefined;
  /** Resolves a moment after the first signal: whatever still waits for a reader of its output must not wait longer. */
  readonly overdue: Promise<"overdue">;

  constructor() {
    this.overdue = new Promise((resolve) => {
      this.signal.addEventListener("abort", () => setTimeout(resolve, GRACE_MS, "overdue"), { once: true });
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
    this.#listeners = Object.entries(EXIT_CODES).map(([name, exitCode]) => {
      const listener = (): void => {
        this.unlisten();
        this.exitCode ??= exitCode;
        this.#controller.abort();
      };
      return [name, listener] as const;
    });
    for (const [name, listener] of this.#listeners) process.on(name, listener);
  }

  /** Leaves the signals to the process again. */
  unlisten(): void {
    for (const [name, listener] of this.#listeners) process.removeListener(name, listener);
  }
}
