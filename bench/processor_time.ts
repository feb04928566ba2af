/**
 * Processor time of the calling thread, and of the process.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";

interface ThreadUsage {
  threadCpuUsage(): { readonly user: number; readonly system: number };
}

/**
 * Seconds that the calling thread has run on a processor. On Linux from `/proc`, in nanoseconds; elsewhere from
 * `process.threadCpuUsage()`, which counts in steps of 10 ms on some runtimes. Threads that write files for it do not count.
 */
export function threadSeconds(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]) / 1e9;
  } catch {
    const { user, system } = (process as unknown as ThreadUsage).threadCpuUsage();
    return (user + system) / 1e6;
  }
}

/** Seconds that all threads of the process have run, those of the runtime too. */
export function processSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
