/**
 * Runs test files of a copy of the tree, several in one process, up to the first test that fails.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { join, relative } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import { addGroup, endGroup, killGroup } from "../process_groups.ts";
import type { TestEnd } from "./event_reporter.ts";

/** Where and how tests are run. */
export interface Place {
  /** The copy of the tree. */
  readonly root: string;
  /** For the tests' own files. It exists. */
  readonly temporary: string;
  /** Where Node keeps what it compiled. */
  readonly compiled: string;
}

/** Tests that run together. */
export interface Group {
  /** How it is called in what is printed. */
  readonly name: string;
  /** Paths below the root; they share a process. */
  readonly files: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Whether it must not be ended in the middle: it has something to take back, like a disk that is mounted. */
  readonly isWhole?: boolean;
}

/** What came of a group. */
export interface GroupResult {
  /** `silent`: no test ended for too long. */
  readonly verdict: "passed" | "failed" | "silent" | "outOfTime";
  /** The file and the test that failed first, or what else went wrong. */
  readonly failure: string;
  readonly seconds: number;
  /** The longest time without a test that ended, in milliseconds. */
  readonly longestSilenceMs: number;
  /** Milliseconds by file, of the tests whose file is known. */
  readonly times: ReadonlyMap<string, number>;
  readonly output: string;
}

const MAX_OUTPUT_CHARACTERS = 64 * 1024;

/** Runs the files on Node. `silenceMs` is how long no test may end, `limitMs` what everything may take. */
export async function runGroup(group: Group, place: Place, silenceMs: number, limitMs: number): Promise<GroupResult> {
  const { root, temporary, compiled } = place;
  const started = performance.now();
  const child = spawn(process.execPath, [
    `--import=${join(root, "scripts/test_runner/no_async_hooks.ts")}`,
    `--test-reporter=${join(root, "scripts/seeded_bugs/event_reporter.ts")}`,
    "--test-reporter-destination=stdout",
    join(root, "scripts/test_runner/several.ts"),
    ...group.files,
  ], {
    cwd: root,
    // A group of its own: what the tests have started ends with them.
    detached: true,
    // The last one is `EVENTS_FD`.
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: {
      ...process.env,
      NO_COLOR: "1",
      TMPDIR: temporary,
      NODE_COMPILE_CACHE: compiled,
      ...group.environment,
    },
  });
  const { pid } = child;
  addGroup(pid);
  const end = (): void => killGroup(pid);

  let verdict: GroupResult["verdict"] | undefined;
  let failure = "";
  let output = "";
  let ended = 0;
  let lastEnd = started;
  let longestSilenceMs = 0;
  const times = new Map<string, number>();
  const stop = (why: "silent" | "outOfTime"): void => {
    verdict ??= why;
    end();
  };
  let silence = setTimeout(stop, silenceMs, "silent");
  const limit = setTimeout(stop, Math.max(1, limitMs), "outOfTime");
  const note = ({ passed, name, file, ms, reason }: TestEnd): void => {
    ended++;
    const now = performance.now();
    longestSilenceMs = Math.max(longestSilenceMs, now - lastEnd);
    lastEnd = now;
    clearTimeout(silence);
    silence = setTimeout(stop, silenceMs, "silent");
    const path = file === undefined ? group.name : relative(root, file);
    times.set(path, (times.get(path) ?? 0) + ms);
    if (passed || verdict !== undefined) return;
    verdict = "failed";
    failure = `${path}: ${name}`;
    output += `${reason}\n`;
    if (!group.isWhole) end();
  };
  let rest = "";
  const [, stdout, stderr, events] = child.stdio as unknown as readonly (Readable | null)[];
  events!.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) note(JSON.parse(line) as TestEnd);
  });
  const print = (text: string): string => output = (output + text).slice(-MAX_OUTPUT_CHARACTERS);
  stdout!.setEncoding("utf8").on("data", print);
  stderr!.setEncoding("utf8").on("data", print);
  const how = await new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(`could not start: ${error.message}`));
    // What it has started may hold its pipes open.
    child.on("exit", end);
    child.on("close", (code, signal) => resolve(code === 0 ? "" : `ended with ${signal ?? `exit code ${code}`}`));
  });
  clearTimeout(silence);
  clearTimeout(limit);
  endGroup(pid);
  // An end without a word is one as well: a file that cannot be loaded, or a test that ends the process.
  if (verdict === undefined && (how !== "" || ended === 0)) {
    verdict = "failed";
    failure = `${group.name}: ${how || "reported no test"}`;
  }
  if (verdict === "silent") failure = `${group.name}: no test ended for ${(silenceMs / 1000).toFixed(0)} s`;
  const seconds = (performance.now() - started) / 1000;
  longestSilenceMs = Math.max(longestSilenceMs, performance.now() - lastEnd);
  return { verdict: verdict ?? "passed", failure, seconds, longestSilenceMs, times, output };
}
