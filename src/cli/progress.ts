/**
 * One line on a terminal that tells how far a long task has come.
 *
 * @module
 */

import { bar } from "./units.ts";

/** The part of `process.stderr` used here. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): boolean;
}

/** Short tasks show nothing. */
const AFTER_MS = 1000;
const EVERY_MS = 200;
const BAR_CELLS = 20;
const CLEAR = "\r\x1b[K";

/** Shows nothing where there is no terminal. */
export class Progress {
  readonly #terminal: Terminal;
  #nextAt: number = performance.now() + AFTER_MS;
  #shown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /**
   * Replaces the line, if it is time for that.
   *
   * @param part How much is done, from 0 to 1, where that is known: a bar stands in front of the text.
   */
  show(text: string, part?: number): void {
    if (this.#terminal.isTTY !== true) return;
    const now = performance.now();
    if (now < this.#nextAt) return;
    this.#nextAt = now + EVERY_MS;
    this.#shown = true;
    const shown = part === undefined || Number.isNaN(part)
      ? ""
      : `▕${bar(part, BAR_CELLS).padEnd(BAR_CELLS)}▏ ${percent(part)} `;
    this.#terminal.write(`${CLEAR}${shown}${text}`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#shown) this.#terminal.write(CLEAR);
    this.#shown = false;
  }
}

function percent(part: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, part)) * 100)}%`.padStart(4);
}
