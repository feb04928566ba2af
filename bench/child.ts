/**
 * Other processes on the runtime of this one, that print lines and are killed.
 *
 * @module
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import process from "node:process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** A process that runs a script beside this file. Standard error is this process's own. */
export class Child {
  readonly #process: ChildProcessByStdio<null, Readable, null>;
  readonly #ended: Promise<void>;
  #text = "";
  #isOver = false;
  #wake: () => void = () => {};

  constructor(script: string, args: readonly string[]) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const start = process.versions.deno === undefined ? [] : ["run", "--quiet", "--no-check", "-A"];
    this.#process = spawn(process.execPath, [...start, path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.#process.stdout.setEncoding("utf8").on("data", (piece: string) => {
      this.#text += piece;
      this.#wake();
    });
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#isOver = true;
        this.#wake();
        resolve();
      };
      this.#process.on("error", end);
      this.#process.on("close", end);
    });
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error("a child process did not start");
    return this.#process.pid;
  }

  /** The next line. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end !== -1) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      if (this.#isOver) throw new Error("a child process ended before it said what was asked of it");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** SIGKILL, and resolves once it is gone. */
  async kill(): Promise<void> {
    if (!this.#isOver && this.#process.pid !== undefined) process.kill(this.#process.pid, "SIGKILL");
    await this.#ended;
  }
}

/** Keeps a process alive that waits for its end by a signal; it ends by itself where nobody ends it. */
export function waitToBeKilled(): void {
  setTimeout(() => process.exit(1), 600_000);
}
