/** Programs of their own for tests: scripts of this folder, started on any of the runtimes. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { programPath } from "../fixtures/program_path.ts";

export type RuntimeName = "node" | "bun" | "deno";
export const RUNTIMES: readonly RuntimeName[] = ["node", "bun", "deno"];

/** The runtime that runs this test. */
export const CURRENT: RuntimeName = process.versions.bun !== undefined
  ? "bun"
  : process.versions.deno !== undefined
  ? "deno"
  : "node";

const ARGUMENTS: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: [],
  bun: [],
  deno: ["run", "--quiet", "--no-check", "--allow-all"],
};

/** No child lives longer, unless its test says so. */
const LIFE_MS = 30_000;

function programOf(runtime: RuntimeName): string | undefined {
  if (runtime === CURRENT) return process.execPath;
  const installed = fileURLToPath(new URL(`../../node_modules/.bin/${runtime}`, import.meta.url));
  return existsSync(installed) ? installed : undefined;
}

/** Why tests that start all runtimes are skipped here, or `false`: one run of them, on Node, is enough. */
export function whySkipped(): string | false {
  if (CURRENT !== "node") return "starts all runtimes itself: runs on Node only";
  const missing = RUNTIMES.filter((runtime) => programOf(runtime) === undefined);
  return missing.length === 0 ? false : `${missing.join(" and ")} not installed`;
}

/** How a child ended. */
export interface Ending {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** A running script. */
export interface Child {
  readonly ended: Promise<Ending>;
  /** Lines on its standard output so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line that starts so; rejects where the child ends without one. */
  line(prefix: string): Promise<string>;
  /** Sends a line to its standard input. */
  send(line: string): void;
  /** Ends it as `kill -9` does. */
  kill(): Promise<Ending>;
}

/** Starts a script of this folder with a request that it reads from its first argument as JSON. */
export function start(
  script: string,
  request: unknown,
  runtime: RuntimeName = CURRENT,
  lifeMs: number = LIFE_MS,
): Child {
  const path = programPath(new URL(script, import.meta.url));
  const program = programOf(runtime) ?? runtime;
  const child = spawn(program, [...ARGUMENTS[runtime], path, JSON.stringify(request)], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), lifeMs);
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const notify = (): void => {
    for (const listener of [...listeners]) listener();
  };
  let stdout = "";
  let stderr = "";
  let ending: Ending | undefined;
  child.stderr.on("data", (data) => stderr += String(data));
  createInterface({ input: child.stdout }).on("line", (line) => {
    stdout += `${line}\n`;
    lines.push(line);
    notify();
  });
  child.stdin.on("error", () => {});
  const ended = new Promise<Ending>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode, signal) => {
      clearTimeout(timer);
      ending = { stdout, stderr, exitCode, signal };
      notify();
      resolve(ending);
    });
  });
  return {
    ended,
    lines,
    line: (prefix) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => line.startsWith(prefix));
          if (found === undefined && ending === undefined) return;
          listeners.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`${script} on ${runtime} ended without "${prefix}": ${JSON.stringify(ending)}`));
        };
        listeners.add(look);
        look();
      }),
    send: (line) => void child.stdin.write(`${line}\n`),
    kill: () => {
      child.kill("SIGKILL");
      return ended;
    },
  };
}

/** Runs a script to its end and answers what it printed last, as JSON. Fails where it fails. */
export async function run<T>(script: string, request: unknown, runtime: RuntimeName = CURRENT): Promise<T> {
  const child = start(script, request, runtime);
  const { exitCode, signal, stderr } = await child.ended;
  if (exitCode !== 0) throw new Error(`${script} on ${runtime} ended with ${exitCode ?? signal}: ${stderr}`);
  return JSON.parse(child.lines.at(-1) ?? "null") as T;
}
