/**
 * Runs the measurement in a process of each runtime.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Round } from "./bench_result.ts";

export type RuntimeName = "node" | "bun" | "deno";
export const RUNTIME_NAMES: readonly RuntimeName[] = ["node", "bun", "deno"];

const ARGUMENTS: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: [],
  bun: ["run"],
  deno: ["run", "--quiet", "--allow-all"],
};

/** A process that answers nothing for so long beyond its time is ended. */
const PATIENCE_MS = 60_000;

/** What became of a runtime. */
export type Outcome =
  | { readonly kind: "ran"; readonly runtime: string }
  | { readonly kind: "missing" | "failed"; readonly why: string };

/** Name and version of the running runtime. */
export function currentRuntime(): { name: RuntimeName; version: string } {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return { name: "bun", version: bun };
  if (deno !== undefined) return { name: "deno", version: deno };
  return { name: "node", version: node };
}

/**
 * Lets a runtime measure for so many seconds and hands out each round as it comes.
 *
 * @param directory For the files; it is made by the measurement.
 */
export async function runRounds(
  name: RuntimeName,
  directory: string,
  seconds: number,
  signal: AbortSignal,
  onRound: (round: Round) => void,
): Promise<Outcome> {
  const script = scriptFor(name);
  if (script === undefined) {
    return { kind: "failed", why: "this program came from a registry that only Deno runs from" };
  }
  const isCurrent = currentRuntime().name === name;
  const program = isCurrent ? process.execPath : name;
  if (!isCurrent && spawnSync(program, ["--version"], { stdio: "ignore" }).status !== 0) {
    return { kind: "missing", why: "it is not installed" };
  }
  const child = spawn(program, [...ARGUMENTS[name], script, "bench-rounds", directory, "--seconds", String(seconds)], {
    stdio: ["ignore", "pipe", "pipe"],
    // Without it a program that was started with other settings of the runtime would hand them on.
    env: { ...process.env, NO_COLOR: "1" },
  });
  const end = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", end, { once: true });
  const timer = setTimeout(end, seconds * 1000 + PATIENCE_MS);
  let runtime = "";
  let complaint = "";
  let rest = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => complaint = (complaint + text).slice(-2000));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = JSON.parse(line) as { runtime?: string; round?: Round };
      runtime = message.runtime ?? runtime;
      if (message.round !== undefined) onRound(message.round);
    }
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  }).finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  });
  // Under `bunx --bun` a program called node is Bun.
  if (runtime !== "" && !runtime.startsWith(name)) {
    return { kind: "missing", why: `what is installed as ${name} is ${runtime}` };
  }
  if (exitCode !== 0) {
    return { kind: "failed", why: complaint.trim().split("\n").pop() || `it ended with ${exitCode ?? "a signal"}` };
  }
  return { kind: "ran", runtime };
}

/** This program itself, in a form that the runtime can start. */
function scriptFor(name: RuntimeName): string | undefined {
  const main = new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url);
  if (main.protocol === "file:") return fileURLToPath(main);
  return name === "deno" ? main.href : undefined;
}
