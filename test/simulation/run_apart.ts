/** Schedules in plain child processes, each with its share of the seeds. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { RunResult } from "./schedule.ts";
import { Tally } from "./tally.ts";

const SCRIPT = fileURLToPath(new URL("./run_schedules.ts", import.meta.url));
/**
 * Node: garbage is collected seldom, and not on threads of its own, which cost the other processes a third of their time. Next to nothing
 * gets old here: from less room for it V8 concludes all the time that it has to look.
 */
const RUNTIME_ARGUMENTS: readonly string[] = "Deno" in globalThis
  ? ["run", "-A", "--quiet", "--no-check"]
  : "Bun" in globalThis
  ? []
  : ["--single-threaded-gc", "--min-semi-space-size=32", "--max-semi-space-size=32", "--initial-old-space-size=300"];

/** What is to be run. */
export interface Job {
  readonly first: number;
  readonly count: number;
  readonly processes: number;
  /** @default {Infinity} */
  readonly seconds?: number;
  /** Told now and then how many schedules are done. */
  readonly onProgress?: (done: number) => void;
  /** Ends the processes. */
  readonly signal?: AbortSignal;
}

/** A message of a process. */
interface Message {
  readonly done?: number;
  readonly result?: Omit<RunResult, "tally"> & { readonly counts: [string, number][] };
}

/** Runs the schedules, one in `processes` seeds in each process, and adds up what came of them. */
export async function runApart(job: Job): Promise<RunResult> {
  const { first, count, processes, onProgress } = job;
  const done: number[] = Array(processes).fill(0);
  const children: ChildProcess[] = [];
  const end = (): void => {
    for (const { pid } of children.filter((child) => child.exitCode === null && child.signalCode === null)) {
      if (pid !== undefined) process.kill(pid, "SIGTERM");
    }
  };
  job.signal?.addEventListener("abort", end);
  try {
    const runs = Array.from({ length: processes }, (_, i) => {
      const share = Math.ceil((count - i) / processes);
      const args = [first + i, share, processes, job.seconds ?? Infinity].map(String);
      const child = spawn(process.execPath, [...RUNTIME_ARGUMENTS, SCRIPT, ...args], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      children.push(child);
      return resultOf(child, (schedules) => {
        done[i] = schedules;
        onProgress?.(done.reduce((sum, n) => sum + n));
      });
    });
    return total(await Promise.all(runs));
  } finally {
    end();
    job.signal?.removeEventListener("abort", end);
  }
}

function resultOf(child: ChildProcess, onProgress: (done: number) => void): Promise<RunResult> {
  let rest = "";
  let result: RunResult | undefined;
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      if (message.done !== undefined) onProgress(message.done);
      if (message.result !== undefined) {
        const { counts, ...others } = message.result;
        result = { ...others, tally: Tally.of(counts) };
        onProgress(others.schedules);
      }
    }
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`A process that ran schedules ended with ${code ?? signal}`));
    });
  });
}

function total(results: readonly RunResult[]): RunResult {
  const tally = new Tally();
  for (const result of results) tally.merge(result.tally);
  const sum = (of: (result: RunResult) => number): number => results.reduce((all, result) => all + of(result), 0);
  return {
    tally,
    schedules: sum((result) => result.schedules),
    failures: results.flatMap((result) => result.failures),
    fewestOperations: Math.min(...results.map((result) => result.fewestOperations)),
    fewestShards: Math.min(...results.map((result) => result.fewestShards)),
    cpuMs: sum((result) => result.cpuMs),
  };
}
