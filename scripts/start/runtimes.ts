import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Message, Task } from "./protocol.ts";

const WORKER = join(import.meta.dirname, "worker.ts");
const BINARIES = join(import.meta.dirname, "../../node_modules/.bin");

/** A runtime that `npm ci` installed. */
export interface Runtime {
  readonly name: string;
  readonly version: string;
  readonly binary: string;
  readonly args: readonly string[];
}

/** Arguments that make a runtime run a script. */
const RUN: ReadonlyMap<string, readonly string[]> = new Map([
  ["node", []],
  ["bun", []],
  ["deno", ["run", "--quiet", "-A"]],
]);

export const RUNTIME_NAMES: readonly string[] = [...RUN.keys()];

/** The runtimes of these names that `npm ci` installed, with their versions. */
export function findRuntimes(names: readonly string[]): Runtime[] {
  return names.map((name) => {
    const binary = join(BINARIES, name);
    const version = /\d+\.\d+\.\d+\S*/.exec(execFileSync(binary, ["--version"], { encoding: "utf8" }))?.[0] ?? "";
    return { name, version, binary, args: RUN.get(name) ?? [] };
  });
}

const running = new Set<ChildProcess>();

/** Ends every worker that still runs. */
export function killWorkers(): void {
  for (const child of running) child.kill("SIGKILL");
}

/**
 * Runs a worker to its end and hands its messages to `onMessage`, with a function that kills it. After the kill, what it had
 * said before still arrives.
 *
 * @throws {Error} where it ended in any way but well or by that kill; the message holds what it printed on stderr.
 */
export async function runWorker(
  runtime: Runtime,
  task: Task,
  onMessage: (message: Message, kill: () => void) => void,
): Promise<void> {
  const child = spawn(runtime.binary, [...runtime.args, WORKER, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  let killed = false;
  const kill = (): void => {
    killed = true;
    child.kill("SIGKILL");
  };
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      // Half a line is what a kill may leave of the last one.
      if (line.endsWith("}")) onMessage(JSON.parse(line) as Message, kill);
    }
    const { code, signal } = await ended;
    if (killed ? signal === "SIGKILL" : code === 0) return;
    const how = signal ?? `exit code ${code}`;
    throw new Error(`${runtime.name} was to ${task.do} and ended with ${how}\n${stderr}`.trimEnd());
  } finally {
    child.kill("SIGKILL");
    running.delete(child);
  }
}
