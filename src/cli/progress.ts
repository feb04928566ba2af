/**
 * One line on a terminal that tells how far a long task has come.
 *
 * @module
 */

/** The part of `process.stderr` used here. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): boolean;
}

/** Short tasks show nothing. */
const AFTER_MS = 1000;
const EVERY_MS = 200;
const CLEAR = "\r\x1b[K";

/** Shows nothing where there is no terminal. */
export class Progress {
  readonly #terminal: Terminal;
  #nextAt: number = performance.now() + AFTER_MS;
  #shown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Replaces the line, if it is time for that. */
  show(text: string): void {
    if (this.#terminal.isTTY !== true) return;
    const now = performance.now();
    if (now < this.#nextAt) return;
    this.#nextAt = now + EVERY_MS;
    this.#shown = true;
    this.#terminal.write(`${CLEAR}${text}`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#shown) this.#terminal.write(CLEAR);
    this.#shown = false;
  }
}
