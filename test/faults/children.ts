/** Other processes for fault tests: started ahead of time, told by lines what to do, ended by their own id. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { programOf, type RuntimeName } from "../conformance/processes.ts";
import { programPath } from "../fixtures/program_path.ts";
import type { Request } from "./writer.ts";

export const RUNTIMES: readonly RuntimeName[] = ["node", "bun", "deno"];

/** The runtime of this very process. */
export const CURRENT: RuntimeName = process.versions.bun !== undefined
  ? "bun"
  : process.versions.deno !== undefined
  ? "deno"
  : "node";

const ARGUMENTS: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: ["--no-warnings"],
  bun: [],
  deno: ["run", "--quiet", "--no-check", "--allow-all"],
};

const SCRIPT = programPath(new URL("./writer.ts", import.meta.url));

/** Node translates TypeScript at every start; with a cache it is up in 60 ms instead of 250. */
const CACHE = process.env.NODE_COMPILE_CACHE ??
  fileURLToPath(new URL("../../node_modules/.cache/faults", import.meta.url));

/** No process lives longer, whatever becomes of its test. */
const LIFE_MS = 120_000;

/** How a process ended. */
export interface Ending {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

/** One process that runs `writer.ts`. */
export class Child {
  readonly runtime: RuntimeName;
  /** What it said so far. */
  readonly lines: string[] = [];
  readonly ended: Promise<Ending>;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Those who wait for a line. */
  #waiting: (() => void)[] = [];
  #over = false;

  constructor(runtime: RuntimeName, command: readonly string[], environment: Readonly<Record<string, string>>) {
    this.runtime = runtime;
    this.#process = spawn(command[0], command.slice(1), {
      env: { ...process.env, NO_COLOR: "1", ...environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), LIFE_MS);
    let rest = "";
    let stderr = "";
    this.#process.stdin.on("error", () => {});
    this.#process.stderr.on("data", (data) => stderr += String(data));
    this.#process.stdout.on("data", (data) => {
      const lines = (rest + String(data)).split("\n");
      // What has no line feed yet was cut off, or goes on.
      rest = lines.pop()!;
      this.lines.push(...lines);
      this.#wake();
    });
    this.ended = new Promise((resolve, reject) => {
      this.#process.on("error", reject);
      this.#process.on("close", (exitCode, signal) => {
        clearTimeout(timer);
        this.#over = true;
        this.#wake();
        resolve({ exitCode, signal, stderr });
      });
    });
    this.ended.catch(() => {});
  }

  /** Asks for something; what it answers is among the lines. */
  ask(request: Request): void {
    this.#process.stdin.write(`${JSON.stringify(request)}\n`);
  }

  /** The first line from number `from` on that begins with one of the words; fails where the process ends without. */
  async line(words: readonly string[], from = 0): Promise<string> {
    for (;; from++) {
      while (from >= this.lines.length) {
        if (this.#over) {
          const { stderr, signal, exitCode } = await this.ended;
          const said = [...this.lines.slice(-5), stderr].join("\n");
          throw new Error(
            `${this.runtime} ended (${signal ?? exitCode}) and never said ${words.join(" or ")}:\n${said}`,
          );
        }
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      if (words.includes(this.lines[from].split(" ", 1)[0])) return this.lines[from];
    }
  }

  /** Waits until it has said so many lines, but not for long. */
  async saidLines(count: number, limitMs: number): Promise<void> {
    const end = performance.now() + limitMs;
    const timer = setTimeout(() => this.#wake(), limitMs);
    while (this.lines.length < count && performance.now() < end && !this.#over) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    clearTimeout(timer);
  }

  /** Its id, as it said itself: a tracer or a shell may stand in front of it. */
  get pid(): number {
    return Number(this.lines[0]?.split(" ")[1] ?? this.#process.pid);
  }

  /** Stops it, or lets it go on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    // Deno's own method sends one signal only.
    process.kill(this.pid, name);
  }

  /** Ends it as a crash would, and then the tracer that runs it. */
  kill(): Promise<Ending> {
    try {
      if (!this.#over) process.kill(this.pid, "SIGKILL");
    } catch {
      // It was faster.
    }
    this.#process.kill("SIGKILL");
    return this.ended;
  }

  /** Lets it come to its end: nobody will ask any more. */
  end(): Promise<Ending> {
    this.#process.stdin.end();
    return this.ended;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Starts processes, and ends those that are left. */
export class Children {
  readonly #all = new Set<Child>();

  /**
   * Starts a process that will listen.
   *
   * @param wrapper Command in front of it: a tracer, a shell with limits.
   */
  start(runtime: RuntimeName, wrapper: readonly string[] = [], environment: Record<string, string> = {}): Child {
    const program = programOf(runtime) ?? runtime;
    const child = new Child(runtime, [...wrapper, program, ...ARGUMENTS[runtime], SCRIPT], {
      NODE_COMPILE_CACHE: CACHE,
      ...environment,
    });
    this.#all.add(child);
    void child.ended.then(() => this.#all.delete(child), () => this.#all.delete(child));
    return child;
  }

  /** Runs through one start and end, so that the caches are filled: a process that is killed fills none. */
  async warmUp(runtime: RuntimeName): Promise<void> {
    const child = this.start(runtime);
    await child.line(["ready"]);
    await child.end();
  }

  /** Ends all that still run. */
  async stop(): Promise<void> {
    await Promise.allSettled([...this.#all].map((child) => child.kill()));
  }
}

/** Runs `body` with processes that are all gone afterwards. */
export async function useChildren(body: (children: Children) => Promise<void>): Promise<void> {
  const children = new Children();
  const stop = (): void => {
    void children.stop().then(() => process.exit(143));
  };
  process.once("SIGTERM", stop);
  try {
    await body(children);
  } finally {
    process.removeListener("SIGTERM", stop);
    await children.stop();
  }
}
