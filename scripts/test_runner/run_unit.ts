import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { COVERING } from "../coverage/covering.ts";
import { addGroup, endGroup, killGroup } from "../process_groups.ts";
import type { Counts } from "./report.ts";
import type { Runtime } from "./runtimes.ts";
import type { Unit } from "./units.ts";

/** What became of one unit on one runtime. */
export interface Outcome extends Counts {
  readonly runtime: string;
  /** Of the unit. */
  readonly name: string;
  /** How many there are in it. */
  readonly files: number;
  readonly seconds: number;
  /** Why the unit counts as failed although no test of it says so. */
  readonly problem?: string;
  readonly output: string;
}

/** How a unit is run. */
export interface RunSettings {
  readonly root: string;
  readonly reportDirectory: string;
  readonly timeLimitMs: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Where V8 counts branches of what runs on Node, for the tests that are for that. */
  readonly coverage: string | undefined;
}

const MAX_OUTPUT_CHARACTERS = 256 * 1024;

/**
 * Node translates and compiles every source anew for each process; with a cache that all of them share, a program is up in a
 * quarter of the time. What comes from a cache is counted with gaps, and what comes from a bundle not at all: where branches
 * are counted, there is neither.
 */
function environmentOf(runtime: Runtime, { files }: Unit, settings: RunSettings): NodeJS.ProcessEnv {
  const { root, environment, coverage } = settings;
  if (coverage !== undefined && runtime.name === "node" && files.some(isCovering)) {
    const { TEST_PROGRAMS: _, ...others } = environment;
    return { ...others, NODE_V8_COVERAGE: coverage, NODE_DISABLE_COMPILE_CACHE: "1" };
  }
  const cache = process.env.NODE_COMPILE_CACHE ?? join(root, "node_modules", ".cache", "tests");
  return { NODE_COMPILE_CACHE: cache, ...environment };
}

function isCovering(file: string): boolean {
  return COVERING.some((part) => file.includes(part));
}

/** Runs one unit in a process of its own, so that a crash or a hang costs this unit only. */
export async function runUnit(runtime: Runtime, unit: Unit, settings: RunSettings): Promise<Outcome> {
  const { name, files } = unit;
  const { root, timeLimitMs } = settings;
  const report = join(settings.reportDirectory, `${runtime.name}-${name.replaceAll("/", "-")}.report`);
  const started = performance.now();
  const child = spawn(runtime.binary, runtime.command(files, report, timeLimitMs), {
    cwd: root,
    // A group of its own: the limit then also ends what the test has started.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NO_COLOR: "1",
      PATH: join(root, "node_modules", ".bin") + delimiter + process.env.PATH,
      ...environmentOf(runtime, unit, settings),
    },
  });
  const pid = child.pid;
  addGroup(pid);
  let output = "";
  const collect = (chunk: string) => output = (output + chunk).slice(-MAX_OUTPUT_CHARACTERS);
  child.stdout.setEncoding("utf8").on("data", collect);
  child.stderr.setEncoding("utf8").on("data", collect);

  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(pid);
  }, timeLimitMs);
  const end = await new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(`could not start: ${error.message}`));
    child.on("close", (code, signal) => resolve(code === 0 ? "" : `ended with ${signal ?? `exit code ${code}`}`));
  });
  clearTimeout(timer);
  // Nothing that a test has started may outlive it and disturb the next one.
  endGroup(pid);

  const seconds = (performance.now() - started) / 1000;
  const counts = readCounts(runtime, report) ?? { passed: 0, failed: 0, skipped: 0, tagged: [] };
  const problem = describeProblem(counts, end, timedOut ? timeLimitMs : undefined);
  if (problem && counts.failed === 0) counts.failed = 1;
  return { runtime: runtime.name, name, files: files.length, seconds, ...counts, problem, output };
}

function readCounts(runtime: Runtime, report: string): Counts | undefined {
  try {
    return runtime.readReport(readFileSync(report, "utf8"));
  } catch {
    return undefined;
  }
}

function describeProblem(counts: Counts, end: string, exceededMs: number | undefined): string | undefined {
  if (exceededMs !== undefined) return `still running after ${exceededMs / 1000} s`;
  if (end !== "" && counts.failed === 0) return end;
  // A test that calls exit(0) leaves no report, and a file that registers nothing tests nothing.
  if (counts.passed + counts.failed + counts.skipped === 0) return "reported no test";
  return undefined;
}
