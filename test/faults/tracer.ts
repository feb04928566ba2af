/** Faults injected into system calls by `strace`: Linux only, and only where one process may trace another. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";

/** Every call that changes what is on a disk. The question mark is for those that an architecture lacks. */
const CALLS =
  "pwrite64,write,fdatasync,fsync,?rename,?renameat,?renameat2,?unlink,?unlinkat,ftruncate,?mkdir,?mkdirat," +
  "?open,openat";

/** Where a call happens often enough to be told apart: Node's file calls all come from the same thread then. */
export const ONE_THREAD: Readonly<Record<string, string>> = { UV_THREADPOOL_SIZE: "1" };

/** Why nothing can be injected here, or `false`. */
export function whyNoTracer(): string | false {
  if (process.platform !== "linux") return "injecting needs Linux and strace";
  const { status, error } = spawnSync("strace", ["-f", "-o", "/dev/null", "-e", "trace=openat", "true"]);
  if (error !== undefined) return "injecting needs strace, which is not installed";
  return status === 0 ? false : "injecting needs ptrace, which is refused here";
}

/** One call as it was seen. */
export interface TracedCall {
  readonly thread: string;
  readonly call: string;
  readonly line: string;
}

/** Command in front of a program: writes every changing call to `file`. */
export function tracing(file: string): string[] {
  return ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-o", file, "-e", `trace=${CALLS}`];
}

/**
 * Command in front of a program: kills it in the moment in which a thread of it enters the call for the `n`th time on one of
 * the paths. The call does not happen.
 */
export function killingAt(paths: readonly string[], call: string, n: number): string[] {
  // Without the filter that lets other calls pass untraced: with it, no signal is delivered.
  return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${CALLS}`, ...forPaths(paths)].concat(
    "-e",
    `inject=${call}:signal=SIGKILL:when=${n}`,
  );
}

/** Command in front of a program: calls on the paths fail without happening, as `when` says (`3`: the third, `3+`: from it on). */
export function failing(paths: readonly string[], call: string, error: string, when: string, file: string): string[] {
  return ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-o", file, "-e", `trace=${CALLS}`, ...forPaths(paths)].concat(
    "-e",
    `inject=${call}:error=${error}:when=${when}`,
  );
}

/** Command in front of a program: the first calls of each thread on the paths take so long before they happen. */
export function delaying(paths: readonly string[], call: string, milliseconds: number): string[] {
  return ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", `trace=${CALLS}`, ...forPaths(paths)].concat(
    "-e",
    `inject=${call}:delay_enter=${milliseconds * 1000}:when=1`,
  );
}

function forPaths(paths: readonly string[]): string[] {
  return paths.flatMap((path) => ["-P", path]);
}

/** The calls in a trace that concern something below `directory`, in order; those that were only resumed are left out. */
export function tracedCalls(file: string, directory: string): TracedCall[] {
  const calls: TracedCall[] = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const match = /^(\d+)\s+(\w+)\((.*)/.exec(line);
    if (match !== null && line.includes(directory)) calls.push({ thread: match[1], call: match[2], line });
  }
  return calls;
}

/** A moment at which a program can be stopped. */
export interface Point {
  readonly call: string;
  /** Counted in each thread. */
  readonly n: number;
}

/** Every point of a trace at which a disk changes, and every path below `directory` that occurs in it. */
export function pointsOf(calls: readonly TracedCall[], directory: string): { points: Point[]; paths: string[] } {
  const counts = new Map<string, number>();
  const points = new Map<string, Point>();
  const paths = new Set<string>();
  for (const { thread, call, line } of calls) {
    const n = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, n);
    for (const [path] of line.matchAll(/\/[^"<>]+/g)) if (path.startsWith(directory)) paths.add(path);
    // Most openings create nothing.
    if (!call.startsWith("open") || line.includes("O_CREAT")) points.set(`${call} ${n}`, { call, n });
  }
  return { points: [...points.values()], paths: [...paths] };
}
