/**
 * Runs the ordinary tests in a copy of the tree.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

/** What a run of the tests came to. */
export interface SuiteResult {
  readonly verdict: "passed" | "failed" | "outOfTime";
  /** The first file that failed. */
  readonly file: string | undefined;
  /** The first of its tests that failed; `undefined` where the file did not get so far. */
  readonly test: string | undefined;
  readonly seconds: number;
  readonly output: string;
}

const running = new Set<ChildProcess>();
/** The runner ends its own children when it is asked to; so long it may take for that. */
const GRACE_MS = 5000;

/** Asks every run that is still under way to end. */
export function endRuns(): void {
  for (const child of running) child.kill("SIGTERM");
}

/**
 * Runs the tests of the tree at `root` on Node; `timesFile` orders them, the quick ones first. What Node compiled is kept in
 * the directory `compiled`, by default with the installed packages.
 */
export async function runSuite(
  root: string,
  args: readonly string[],
  timesFile: string,
  limitMs: number,
  compiled?: string,
): Promise<SuiteResult> {
  const started = performance.now();
  const script = join(root, "scripts", "test.ts");
  const child = spawn(process.execPath, [
    script,
    "--runtime",
    "node",
    "--apart",
    "--bail",
    "--times",
    timesFile,
    ...args,
  ], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...(compiled && { NODE_COMPILE_CACHE: compiled }) },
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  let outOfTime = false;
  let killTimer: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    outOfTime = true;
    child.kill("SIGTERM");
    killTimer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  }, limitMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  }).finally(() => {
    running.delete(child);
    clearTimeout(timer);
    clearTimeout(killTimer);
  });
  const verdict = outOfTime ? "outOfTime" : code === 0 ? "passed" : "failed";
  const file = /^FAIL node +(\S+?):? /m.exec(output)?.[1];
  const test = /^ +\| +✖ (.*) \([\d.]+ms\)$/m.exec(output)?.[1];
  return { verdict, file, test, seconds: (performance.now() - started) / 1000, output };
}
