/** Other processes for tests: one per runtime that is installed. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import process from "node:process";
import { fileURLToPath } from "node:url";

export type RuntimeName = "node" | "bun" | "deno";

const ARGUMENTS: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: ["--expose-gc"],
  bun: [],
  deno: ["run", "--quiet", "--allow-all", "--v8-flags=--expose-gc"],
};

const CURRENT: RuntimeName = process.versions.bun !== undefined
  ? "bun"
  : process.versions.deno !== undefined
  ? "deno"
  : "node";

/** No test process lives longer. */
const LIFE_MS = 60_000;

/** The program of a runtime, or `undefined` where it is not installed. */
export function programOf(runtime: RuntimeName): string | undefined {
  const installed = fileURLToPath(new URL(`../../node_modules/.bin/${runtime}`, import.meta.url));
  if (existsSync(installed)) return installed;
  return runtime === CURRENT ? process.execPath : undefined;
}

/** Why tests with this runtime are skipped, or `false`. */
export function whySkipped(...runtimes: RuntimeName[]): string | false {
  const missing = runtimes.filter((runtime) => programOf(runtime) === undefined);
  return missing.length === 0 ? false : `${missing.join(" and ")} not installed`;
}

/** How a process ended. */
export interface Ending {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** A process that runs one of the scripts beside this file. It is ended by its own id, after a minute at the latest. */
export class TestProcess {
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  #stdout = "";
  #stderr = "";
  #answer: ((line: string) => void) | undefined;

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { env: { ...process.env, NO_COLOR: "1" } });
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LIFE_MS);
    this.#child.stderr.on("data", (data) => this.#stderr += String(data));
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on("line", (line) => {
      this.#stdout += `${line}\n`;
      this.#answer?.(line);
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (exitCode, signal) => {
        clearTimeout(timer);
        this.#answer?.(`(ended: ${this.#stderr})`);
        resolve({ stdout: this.#stdout, stderr: this.#stderr, exitCode, signal });
      });
    });
  }

  /** Starts a script beside this file. */
  static script(runtime: RuntimeName, script: string, ...args: string[]): TestProcess {
    const path = fileURLToPath(new URL(script, import.meta.url));
    return new TestProcess(programOf(runtime) ?? runtime, [...ARGUMENTS[runtime], path, ...args]);
  }

  /** Starts a script that may write files of at most 200 KiB; the signal that tells so is ignored. */
  static limited(runtime: RuntimeName, script: string, ...args: string[]): TestProcess {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const command = [programOf(runtime) ?? runtime, ...ARGUMENTS[runtime], path, ...args];
    // POSIX counts this limit in blocks of 512 bytes.
    return new TestProcess("/bin/sh", ["-c", 'trap "" XFSZ; ulimit -f 400; exec "$@"', "sh", ...command]);
  }

  /** Sends one line and resolves with the line that answers it. */
  ask(request: unknown): Promise<string> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Lets a process that reads lines come to its end. */
  end(): Promise<Ending> {
    this.#child.stdin.end();
    return this.ended;
  }

  /** Ends the process as a crash would. */
  kill(): Promise<Ending> {
    this.#child.kill("SIGKILL");
    return this.ended;
  }
}
