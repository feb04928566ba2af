/** An example, started as its own text says, on any of the runtimes. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type RuntimeName = "node" | "bun" | "deno";

const START: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: [],
  bun: [],
  deno: ["run", "--quiet", "--no-check", "-A"],
};
/** No example lives longer. */
const LIFE_MS = 60_000;

/** Those that run. */
const running = new Set<ChildProcess>();

/** Ends what a failed test has left running. */
export function endAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** See above. */
export class ExampleProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #first: Promise<string>;
  #errors = "";

  /** @param path Below `examples/`. */
  constructor(runtime: RuntimeName, path: string, args: readonly string[]) {
    const program = fileURLToPath(new URL(`../../node_modules/.bin/${runtime}`, import.meta.url));
    const script = fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
    const child = spawn(program, [...START[runtime], script, ...args], { env: { ...process.env, NO_COLOR: "1" } });
    const timer = setTimeout(() => child.kill("SIGKILL"), LIFE_MS);
    this.#child = child;
    running.add(child);
    child.stderr.on("data", (text) => this.#errors += String(text));
    this.#ended = new Promise((resolve) =>
      child.on("close", (code) => {
        clearTimeout(timer);
        running.delete(child);
        resolve(code);
      })
    );
    const lines = createInterface({ input: child.stdout });
    this.#first = new Promise((resolve, reject) => {
      lines.once("line", resolve);
      child.on("error", reject);
      child.on("close", () => reject(new Error(`${path} ended without a line: ${this.#errors}`)));
    });
    this.#first.catch(() => {});
  }

  /** The first line of its standard output. */
  firstLine(): Promise<string> {
    return this.#first;
  }

  /** Sends a signal and waits for the end. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<{ exitCode: number | null; stderr: string }> {
    this.#child.kill(signal);
    return { exitCode: await this.#ended, stderr: this.#errors };
  }
}
