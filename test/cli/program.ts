/** The command itself, from its source and on the runtime that runs the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { programPath } from "../fixtures/program_path.ts";
import { runHere } from "./here.ts";

const MAIN: string = programPath(new URL("../../src/cli/main.ts", import.meta.url));
/** The program and its first arguments. */
export const COMMAND: readonly string[] = process.versions.deno !== undefined
  ? [process.execPath, "run", "--quiet", "--allow-all", "--no-check", MAIN]
  : [process.execPath, MAIN];

const LF = 10;

/**
 * Made by the tests of this process and removed at its end. Deno does not call what a test leaves with its context, and has
 * an event of its own for the end.
 */
const made: string[] = [];
function removeAll(): void {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
}
process.on("exit", removeAll);
globalThis.addEventListener?.("unload", removeAll);

function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `bimiplog-${name}-`));
  made.push(directory);
  return directory;
}

/** Node reads the sources anew for each program: with what it made of them last time it starts four times as fast. */
const environment: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" };
if (process.versions.bun === undefined && process.versions.deno === undefined) {
  environment.NODE_COMPILE_CACHE ??= temporaryDirectory("compiled");
}

/** No program of a test lives longer. */
const LIFE_MS = 30_000;

/** How a program ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `bimiplog`. It is ended by its own id, after half a minute at the latest. */
export class Program {
  readonly ended: Promise<Ending>;
  readonly pid: number;
  readonly #child: ChildProcess;
  #stdout: Uint8Array[] = [];
  #stderr = "";
  #lineCount = 0;
  #listeners: (() => void)[] = [];
  #isOver = false;

  constructor(words: readonly string[], command: readonly string[] = COMMAND) {
    const [program, ...first] = command;
    this.#child = spawn(program, [...first, ...words], { env: environment });
    this.pid = this.#child.pid ?? -1;
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LIFE_MS);
    this.#child.stdout!.on("data", (data: Uint8Array) => {
      this.#stdout.push(data);
      for (let at = data.indexOf(LF); at >= 0; at = data.indexOf(LF, at + 1)) this.#lineCount++;
      this.#wake();
    });
    this.#child.stderr!.on("data", (data: Uint8Array) => {
      this.#stderr += String(data);
      this.#wake();
    });
    // A program may end before it has read everything.
    this.#child.stdin!.on("error", () => {});
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code, signal) => {
        clearTimeout(timer);
        this.#isOver = true;
        this.#wake();
        resolve({ code, signal, stdout: this.stdout, stderr: this.#stderr });
      });
    });
  }

  /** What it has printed so far. */
  get stdout(): string {
    return Buffer.concat(this.#stdout).toString();
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Gives it more input. */
  write(input: string | Uint8Array): void {
    this.#child.stdin!.write(input);
  }

  /** Gives it input again and again, until it has ended or the answer is called. */
  feed(next: () => string, everyMs: number): () => void {
    const timer = setInterval(() => this.write(next()), everyMs);
    const stop = (): void => clearInterval(timer);
    void this.ended.then(stop, stop);
    return stop;
  }

  /** Ends its input. */
  end(input?: string | Uint8Array): Promise<Ending> {
    if (input === undefined) this.#child.stdin!.end();
    else this.#child.stdin!.end(input);
    return this.ended;
  }

  /** Closes the reading end of its output. */
  closeOutput(): void {
    this.#child.stdout!.destroy();
  }

  /** Hands out its output as it comes. */
  onOutput(listener: (data: Uint8Array) => void): void {
    this.#child.stdout!.on("data", listener);
  }

  /** Stops taking its output. */
  pauseOutput(): void {
    this.#child.stdout!.pause();
  }

  /** Its exit code, while its output may still be on the way. */
  get exited(): Promise<number | null> {
    return new Promise((resolve) => this.#child.on("exit", resolve));
  }

  /** Sends it a signal and does not wait. */
  signal(signal: NodeJS.Signals): void {
    // Not the child's own method: after it Deno names the signal as the end, also where the program exited with a code.
    if (!this.#isOver) process.kill(this.pid, signal);
  }

  /** Sends it a signal and waits until it has ended. */
  kill(signal: NodeJS.Signals): Promise<Ending> {
    this.signal(signal);
    return this.ended;
  }

  /** Waits until something is true of it, or it has ended. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#isOver) await new Promise<void>((resolve) => this.#listeners.push(resolve));
  }

  /** Waits until it has printed so many lines. */
  async lines(count: number): Promise<string[]> {
    await this.until(() => this.#lineCount >= count);
    return this.stdout.split("\n").slice(0, count);
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

/** Commands that this file has run in a process of their own. */
const seen = new Set<string>();

/**
 * Runs it to its end: each command once in a process of its own, and then in the process of the test, for that takes a
 * hundredth of the time. Who needs a process every time takes {@linkcode runApart}.
 */
export function run(words: readonly string[], input: string | Uint8Array = ""): Promise<Ending> {
  const [name = ""] = words;
  if (seen.has(name)) return runHere(words, input);
  seen.add(name);
  return runApart(words, input);
}

/** Runs it to its end, in a process of its own. */
export function runApart(words: readonly string[], input: string | Uint8Array = ""): Promise<Ending> {
  return new Program(words).end(input);
}

/** Lines of what a program printed. */
export function linesOf(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

/** A directory of the test's own, and a path in it where a log may be made. */
export function temporaryLog(): string {
  return join(temporaryDirectory("cli"), "events");
}
