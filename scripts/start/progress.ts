import process from "node:process";

const BAR_CELLS = 30;

/** What is being done, on stderr: a bar that is drawn over itself on a terminal, else a line a step. */
export class Progress {
  readonly #steps: number;
  readonly #isTerminal: boolean = process.stderr.isTTY === true;
  #done = 0;
  #label = "";

  constructor(steps: number) {
    this.#steps = steps;
  }

  /** Begins the next step. */
  begin(label: string): void {
    this.#label = label;
    if (this.#isTerminal) this.update(0);
    else process.stderr.write(`${this.#done + 1}/${this.#steps} ${label}\n`);
  }

  /** The step has come so far, from 0 to 1. */
  update(share: number): void {
    if (!this.#isTerminal) return;
    const whole = (this.#done + Math.min(share, 1)) / this.#steps;
    const filled = Math.round(whole * BAR_CELLS);
    const bar = "#".repeat(filled) + ".".repeat(BAR_CELLS - filled);
    const percent = `${Math.round(whole * 100)}%`.padStart(4);
    process.stderr.write(`\r\x1b[K[${bar}]${percent}  ${this.#label}`.slice(0, (process.stderr.columns ?? 80) + 3));
  }

  /** The step is done. */
  end(): void {
    this.update(1);
    this.#done++;
    this.#label = "";
  }

  /** Leaves a clean line behind. */
  clear(): void {
    if (this.#isTerminal) process.stderr.write("\r\x1b[K");
  }
}
